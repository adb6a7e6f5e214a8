/** The door of those who watch. What they see of the cluster belongs to no tenant, so only owners and admins of one are let in. */
import type { Namespace } from 'socket.io'
import { Refusal } from '../../machines/refusal.ts'
import { type Chart, sharesOf } from '../cluster/chart.ts'
import type { ClusterEvent } from '../cluster/changes.ts'
import type { Log } from '../watch/log.ts'
import { refusedBy } from './attend.ts'
import { type Authenticator, type Principal, seesAll } from './auth.ts'
import { credentialOf } from './sockets.ts'

interface Needs {
  namespace: Namespace
  authenticate: Authenticator
  /** How the cluster stands; undefined where there is one node and no other can come. */
  chart(): Chart | undefined
  log: Log
}

const ROOM = 'cluster'

export function openOperators({ namespace, authenticate, chart, log }: Needs): { tell(event: ClusterEvent): void } {
  namespace.use((socket, next) => {
    authenticate(credentialOf(socket.handshake)).then(
      (principal: Principal) => {
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
    socket.onAny((name: string, ...given: unknown[]) => {
      const answer = given.at(-1)
      if (typeof answer !== 'function') return
      if (name !== 'cluster.watch') {
        const { code, message } = new Refusal('event.unknown')
        return answer({ ok: false, code, message, details: { event: name } })
      }
      void socket.join(ROOM)
      answer({ ok: true, ...standing(chart()) })
    })
  })
  return { tell: ([name, payload]) => void namespace.local.to(ROOM).emit(name, payload) }
}

/** What `nexus nodes` says, for a page. */
function standing(chart: Chart | undefined) {
  const shares = chart ? sharesOf(chart) : {}
  return {
    nodes: (chart?.nodes ?? []).map(({ node, draining, version, machines, url }) => ({
      node,
      state: draining ? 'draining' : 'alive',
      shards: shares[node] ?? 0,
      version,
      machines,
      url,
    })),
    jobs: Object.fromEntries(
      Object.entries(chart?.jobs ?? {}).map(([name, shard]) => [
        name,
        chart?.nodes.find(({ life }) => life === chart.lives[shard])?.node ?? null,
      ]),
    ),
  }
}
