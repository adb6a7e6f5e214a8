/** Makes this process a node of its cluster, with whatever the settings bring: PostgreSQL alone, or Redis beside it. */
import { hostname } from 'node:os'
import type { Database } from '../../sql/database.ts'
import { openLane, watchLock } from '../../sql/lane.ts'
import { type KindName, kinds } from '../../machines/index.ts'
import type { Config } from '../config.ts'
import { systemClock } from '../host/clock.ts'
import type { Log } from '../watch/log.ts'
import type { Bus } from './bus.ts'
import { notifyCarrier } from './carrier.notify.ts'
import { redisCarrier } from './carrier.redis.ts'
import type { ClusterEvent } from './changes.ts'
import { type Cluster, createCluster, nameOf } from './cluster.ts'
import { redisLease } from './lease.redis.ts'
import { openFacts } from './ownership.ts'
import type { openRedis } from './redis.ts'

interface Needs {
  db: Database
  url: string
  config: Pick<Config, 'redisUrl' | 'host' | 'port' | 'environment'>
  redis: Awaited<ReturnType<typeof openRedis>> | undefined
  node: string
  version: string
  local: Bus
  log: Log
  drained(): void
  observe(event: ClusterEvent): void
}

/** Where others may reach it: whoever listens everywhere is known by its name, and without a setting development listens to itself alone. */
const addressOf = ({ host, environment }: Needs['config']) =>
  host === undefined ? (environment === 'production' ? hostname() : 'localhost') : host === '0.0.0.0' || host === '::' ? hostname() : host

/** The newest version that this program has of each machine. */
export const ownMachines = (): Record<string, number> =>
  Object.fromEntries(Object.entries(kinds).map(([kind, { version }]) => [kind as KindName, version]))

export async function joinCluster({ db, url, config, redis, node, version, local, log, drained, observe }: Needs): Promise<Cluster> {
  const facts = await openFacts(db)
  const pooled = db.isPooled
  if (pooled)
    log.warn(
      {},
      'DATABASE_URL leads through a transaction pooler: dead nodes are found by their leases alone, and nodes cannot call each other by NOTIFY',
    )
  const lane = openLane(url, db.application, pooled)
  const cluster = createCluster({
    db,
    lane,
    local,
    facts,
    node,
    machines: ownMachines(),
    version,
    url: () => (config.port === 0 ? undefined : `http://${addressOf(config)}:${config.port}`),
    clock: systemClock,
    log,
    carriers: () => [
      ...(config.redisUrl ? [redisCarrier({ url: config.redisUrl, log })] : []),
      ...(pooled ? [] : [notifyCarrier({ db, url, log })]),
    ],
    ...(!pooled && { watchLock: (key: number) => watchLock(url, key) }),
    ...(redis && { lease: redisLease({ redis: redis.commands, prefix: nameOf(facts) }) }),
    drained,
    observe,
    ousted() {
      log.error({ node }, 'another process has taken the name of this node: this one ends')
      process.exit(1)
    },
  })
  const end = () => lane.close().catch(() => {})
  return {
    ...cluster,
    // Without a word the others find out that it is gone.
    leave: () =>
      cluster
        .leave()
        .catch((error: Error) => {
          log.warn({ err: error }, 'this node could not say that it leaves')
          return cluster.stop()
        })
        .finally(end),
    stop: () => cluster.stop().finally(end),
  }
}
