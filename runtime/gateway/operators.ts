/** The door of those who watch. What they see of the cluster belongs to no tenant, so only owners and admins of one are let in. */
import type { Namespace } from 'socket.io'
import { Refusal } from '../../machines/refusal.ts'
import type { Database } from '../../sql/database.ts'
import { deadLettersOf, kindOf } from '../../sql/letters.dead.ts'
import { type Chart, sharesOf } from '../cluster/chart.ts'
import type { ClusterEvent } from '../cluster/changes.ts'
import { SHARDS } from '../cluster/shards.ts'
import type { Log } from '../watch/log.ts'
import { refusedBy } from './attend.ts'
import { type Authenticator, type Principal, seesAll } from './auth.ts'
import { promptly } from './promptly.ts'
import { credentialOf, expire } from './sockets.ts'

interface Needs {
  namespace: Namespace
  authenticate: Authenticator
  /** How the cluster stands; undefined where there is one node and no other can come. */
  chart(): Chart | undefined
  db: Database
  log: Log
}

const ROOM = 'cluster'

/** Letters that are shown at once. */
const LETTERS = 50

export function openOperators({ namespace, authenticate, chart, db, log }: Needs): { tell(event: ClusterEvent): void } {
  namespace.use((socket, next) => {
    authenticate(credentialOf(socket.handshake)).then(
      (principal: Principal) => {
        socket.data = { principal }
        if (seesAll(principal)) return next()
        const { code, message } = new Refusal('role.refused')
        next(Object.assign(new Error(message), { data: { ok: false, code, message } }))
      },
      (error: unknown) => {
        const data = refusedBy(error, log)
        next(Object.assign(new Error(data.message), { data }))
      },
    )
  })
  namespace.on('connection', (socket) => {
    const { principal } = socket.data as { principal: Principal }
    expire(socket, principal)
    async function watch() {
      // What changes from here on comes behind the answer, or is in it.
      await socket.join(ROOM)
      // While the store is away everything else can be told.
      const deadLetters = await letters(db, principal).catch((error: unknown) => {
        refusedBy(error, log) // which logs what is a fault
        return null
      })
      return { ok: true, ...standing(chart()), deadLetters }
    }
    socket.onAny((name: string, ...given: unknown[]) => {
      const answer = given.at(-1)
      if (typeof answer !== 'function') return
      if (name !== 'cluster.watch') {
        const { code, message } = new Refusal('event.unknown')
        return answer({ ok: false, code, message, details: { event: name } })
      }
      void watch()
        .catch((error: unknown) => refusedBy(error, log))
        .then(answer as (told: object) => void)
    })
  })
  return { tell: ([name, payload]) => void namespace.local.to(ROOM).emit(name, payload) }
}

/** What `nexus dead-letters list` says, of the tenant of whoever asks and of no other. */
async function letters(db: Database, { tenant }: Principal) {
  const all = await promptly(deadLettersOf(db, tenant.id, LETTERS))
  return all.map((letter) => ({ id: letter.id, at: letter.at, conversation: letter.actor, event: kindOf(letter), error: letter.error }))
}

/** What `nexus nodes` and `nexus shards` say, for a page. */
function standing(chart: Chart | undefined) {
  const shares = chart ? sharesOf(chart, SHARDS) : {}
  const nameOf = (life: string | undefined) => chart?.nodes.find((one) => one.life === life)?.node ?? null
  const jobs = Object.entries(chart?.jobs ?? {})
  return {
    nodes: (chart?.nodes ?? []).map(({ node, draining, version, machines, url }) => ({
      node,
      state: draining ? 'draining' : 'alive',
      shards: shares[node] ?? 0,
      version,
      machines,
      url,
    })),
    /** By number; null: nobody has it. */
    shards: (chart?.lives.slice(0, SHARDS) ?? []).map((life, shard) => ({ node: nameOf(life), epoch: chart?.epochs[shard] })),
    jobs: Object.fromEntries(jobs.map(([name, shard]) => [name, nameOf(chart?.lives[shard])])),
  }
}
