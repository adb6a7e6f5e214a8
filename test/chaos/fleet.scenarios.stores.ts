/** What all nodes lean on: Redis, PostgreSQL, its connections and its disk. */
import postgres from 'postgres'
import { type FleetScenario, between, moment, recovered, whole } from './fleet.scenario.ts'
import type { Stage } from './fleet.stage.ts'
import type { Pair } from './standby.ts'

/** Something is the matter with Redis for a while. */
const ill = (how: (stage: Stage) => Promise<string | undefined>): FleetScenario['strike'] => {
  return async (stage) => {
    await moment(stage.chance.below(400))
    stage.struck()
    const what = await how(stage)
    stage.healed()
    await recovered(stage, 20_000)
    await whole(stage)
    return what ? { what } : {}
  }
}

/** The database that the nodes share, asked by somebody else. */
async function asked<T>({ ground }: Stage, query: (sql: postgres.Sql) => Promise<T>): Promise<T> {
  const sql = postgres(ground.settings.DATABASE_URL as string, { max: 1, onnotice() {} })
  return query(sql).finally(() => sql.end({ timeout: 2 }))
}

interface Backend {
  pid: number
  type: string
}

/** Its processes: those that serve the nodes, and its own. */
const backends = (stage: Stage) =>
  asked(
    stage,
    (sql) => sql<Backend[]>`
      select pid, backend_type as type from pg_stat_activity where pid <> pg_backend_pid()
        and (backend_type <> 'client backend' or application_name like 'nexus%')
    `,
  )

export const storeScenarios: readonly FleetScenario[] = [
  {
    name: 'redis-restart',
    fault: 'F8',
    about: 'Redis is shut down and starts again, empty, after 0 to 3 s',
    holds: ['live', 'bytes', 'order'],
    figure: 'from its end to the next word',
    needsRedis: true,
    strike: ill(async ({ redis, chance }) => void (await redis().restart(chance.below(3_000)))),
  },
  {
    name: 'redis-flush',
    fault: 'F9',
    about: 'everything in Redis is wiped, ten times in two seconds',
    holds: ['fence', 'once', 'order'],
    figure: 'from the first time to the next word',
    needsRedis: true,
    strike: ill(async ({ redis }) => {
      for (let times = 0; times < 10; times++) {
        await redis().flush()
        await moment(200)
      }
      return undefined
    }),
  },
  {
    name: 'redis-hang',
    fault: 'F10',
    about: 'Redis stands still for a minute (SIGSTOP) and keeps its connections',
    holds: ['live', 'bytes'],
    figure: 'from the stop to the next word',
    needsRedis: true,
    most: 3,
    strike: ill(async ({ redis }) => {
      redis().pause()
      await moment(60_000)
      redis().resume()
      return undefined
    }),
  },
  {
    name: 'redis-full',
    fault: 'F11',
    about: 'Redis refuses writes for 5 s: out of memory, or read-only as a replica is',
    holds: ['live', 'bytes'],
    figure: 'from the first refusal to the next word',
    needsRedis: true,
    strike: ill(async ({ redis, chance }) => {
      const what = chance.pick(['out of memory', 'read-only'])
      await (what === 'read-only' ? redis().readOnly(true) : redis().fill())
      await moment(5_000)
      await (what === 'read-only' ? redis().readOnly(false) : redis().unfill())
      return what
    }),
  },
  {
    name: 'restart',
    fault: 'F12',
    about: 'PostgreSQL is ended at once and started again',
    holds: ['loss', 'once', 'live'],
    figure: 'from its end to the next word',
    breaks: 'server',
    async strike(stage) {
      await moment(stage.chance.below(400))
      stage.struck()
      await stage.ground.server?.restart()
      stage.healed()
      await recovered(stage, 30_000)
      await whole(stage)
      return {}
    },
  },
  {
    name: 'failover',
    fault: 'F13',
    about: 'PostgreSQL dies and its synchronous standby takes its place, at the same address',
    holds: ['loss', 'once', 'fence', 'live'],
    figure: 'from the death of the primary to the next word',
    breaks: 'primary',
    async strike(stage) {
      const pair = stage.ground.pair as Pair
      await moment(stage.chance.below(400))
      stage.struck()
      await pair.failover()
      stage.healed()
      await recovered(stage, 30_000)
      await whole(stage)
      await pair.repair()
      return {}
    },
  },
  {
    name: 'connections',
    fault: 'F14',
    about: 'somebody takes every connection that PostgreSQL has left, the nodes lose half of theirs, and 3 s later there are some again',
    holds: ['loss', 'live'],
    figure: 'from the loss to the next word',
    breaks: 'server',
    async strike(stage) {
      const taken: postgres.Sql[] = []
      const take = async () => {
        for (;;) {
          const one = postgres(stage.ground.settings.DATABASE_URL as string, { max: 1, connect_timeout: 5, onnotice() {} })
          try {
            await one`select 1`
            taken.push(one)
          } catch {
            await one.end({ timeout: 0 })
            return // no more to be had
          }
        }
      }
      await take()
      const [holder] = taken
      if (!holder) return undefined
      stage.struck()
      await holder`
        select pg_terminate_backend(pid) from pg_stat_activity
        where application_name like 'nexus%' and backend_type = 'client backend' and pid % 2 = 0
      `
      await take()
      await moment(3_000)
      await Promise.all(taken.map((one) => one.end({ timeout: 2 })))
      stage.healed()
      await recovered(stage, 30_000)
      await whole(stage)
      return { what: `${taken.length} taken` }
    },
  },
  {
    name: 'stuck-store',
    fault: 'F15',
    about: 'the writer of the log of PostgreSQL and a third of the processes that serve the nodes stand still for 0.5 to 6 s',
    holds: ['fence', 'loss', 'once', 'live'],
    figure: 'from the stop to the next word',
    breaks: 'server',
    async strike(stage) {
      const all = await backends(stage)
      const stuck = all.filter(({ type }) => type === 'walwriter' || (type === 'client backend' && stage.chance.below(3) === 0))
      stage.struck()
      for (const { pid } of stuck) signal(pid, 'SIGSTOP')
      await moment(between(stage.chance, 500, 6_000))
      for (const { pid } of stuck) signal(pid, 'SIGCONT')
      stage.healed()
      await recovered(stage, 30_000)
      await whole(stage)
      return {}
    },
  },
  {
    name: 'disk',
    fault: 'F16',
    about: 'the disk of PostgreSQL is full until somebody notices, and for 0.2 to 2 s more',
    holds: ['loss', 'once'],
    figure: 'from when there is room again to the next word',
    breaks: 'disk',
    mayEnd: true,
    async strike(stage) {
      const { chance, ground, fleet } = stage
      await moment(chance.below(300))
      const noticed = () => fleet.nodes.reduce((all, node) => all + node.logged(/no space left/gi) + node.surprises.length, 0)
      const before = noticed()
      await ground.disk?.fill()
      for (let waited = 0; waited < 10_000 && noticed() === before; waited += 50) await moment(50)
      const bites = noticed() > before
      await moment(between(chance, 200, 2_000))
      await ground.disk?.clear()
      await ground.server?.revive()
      stage.struck()
      stage.healed()
      await recovered(stage, 30_000)
      await whole(stage)
      return bites ? {} : undefined
    },
  },
]

function signal(pid: number, name: NodeJS.Signals) {
  try {
    process.kill(pid, name)
  } catch {
    // it has ended meanwhile
  }
}
