/** Chooses the parts, in memory or on servers, and hands them out joined. The only place that knows all rooms. */
import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { fileURLToPath } from 'node:url'
import { createKnowledge } from '../actors/knowledge.ts'
import { type Models, createModels } from '../actors/models/models.ts'
import { workLeft } from '../sql/actors.ts'
import type { Database } from '../sql/database.ts'
import { migrate } from '../sql/migrate.ts'
import { ping } from '../sql/ping.ts'
import { demo, keepTenant } from '../sql/tenants.ts'
import { memoryBus } from './cluster/bus.memory.ts'
import type { ClusterEvent } from './cluster/changes.ts'
import { sharesOf } from './cluster/chart.ts'
import { joinCluster } from './cluster/join.ts'
import { aloneOwnership } from './cluster/ownership.alone.ts'
import { ownStage } from './cluster/stage.ts'
import type { Config } from './config.ts'
import { createAuthenticator } from './gateway/auth.ts'
import { createDesk } from './gateway/desk.ts'
import { createApp, guarded } from './gateway/http.ts'
import { chatRoutes } from './gateway/routes.chat.ts'
import { healthRoutes } from './gateway/routes.health.ts'
import { inboundRoutes } from './gateway/routes.inbound.ts'
import { workRoutes } from './gateway/routes.work.ts'
import type { Rooms } from './gateway/rooms.ts'
import { openOperators } from './gateway/operators.ts'
import { OPERATORS, openSockets } from './gateway/sockets.ts'
import { systemClock } from './host/clock.ts'
import { arm } from './host/failpoint.ts'
import { createEngine } from './host/engine.ts'
import { startHousekeeping } from './watch/housekeeping.ts'
import { aboutOf, modelSettings, modelsLine } from './models.ts'
import { openStore } from './store.ts'
import { slotsOf } from './slots.ts'
import { createHealth } from './watch/health.ts'
import type { Log } from './watch/log.ts'
import { createMetrics } from './watch/metrics.ts'

export interface System {
  /** Where it listens, `http://…`. */
  url: string
  db: Database
  models: Models
  /** Resolves with the reason when this process can never work again. */
  lost: Promise<Error>
  /** Finishes what can be finished within so many milliseconds and lets everything go. */
  stop(): Promise<void>
}

/** Milliseconds over which the sockets of a node that leaves go elsewhere. */
const SPREAD = 5_000

/**
 * Connections that may wait to be taken in, as far as the system lets them (Linux: net.core.somaxconn, 4,096 unless set). Where Node's own 511
 * are full the system hears no more knocks, and whoever knocks in vain does so again after 1, 3, 7 and 15 seconds.
 */
const BACKLOG = 16_384

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))

/** Builds and starts everything; throws one sentence when something that was asked for is not there, and then holds nothing open. */
export async function startSystem(config: Config, log: Log, opening = openStore(config, log)): Promise<System> {
  /** How to let go of what is open by now, the oldest first. */
  const opened: (() => unknown)[] = [async () => (await opening.catch(() => undefined))?.close()]
  try {
    return await build(config, log, opening, opened)
  } catch (error) {
    // What fails on the way out must not hide why.
    for (const close of opened.reverse()) await letGo(close, log)
    throw error
  }
}

async function letGo(close: () => unknown, log: Log): Promise<void> {
  try {
    await close()
  } catch (error) {
    log.warn({ err: error }, 'a part could not be closed')
  }
}

async function build(config: Config, log: Log, opening: Promise<Database>, opened: (() => unknown)[]): Promise<System> {
  arm(config.failpoints)
  const node = config.nodeName ?? `${hostname()}-${process.pid.toString(36)}-${Math.random().toString(36).slice(2, 6)}`
  const models = createModels({
    settings: modelSettings(config),
    log: ({ event, ...what }) => log.warn(what, event === 'model.failed' ? 'a model failed' : 'a slow model got a rival'),
  })
  // Loaded only where it is asked for: a seventh of the start would go into a client that nobody uses.
  const redis = config.redisUrl ? await (await import('./cluster/redis.ts')).openRedis(config.redisUrl) : undefined
  opened.push(() => redis?.close())
  const db = await opening
  await migrate(db)
  await keepTenant(db, demo)
  const version = (JSON.parse(await readFile(here('../package.json'), 'utf8')) as { version: string }).version
  let depart = () => {}
  let watched: (event: ClusterEvent) => void = () => {}
  const local = memoryBus({ log })
  const cluster =
    config.databaseUrl === undefined
      ? undefined
      : await joinCluster({
          db,
          url: config.databaseUrl,
          config,
          redis,
          node,
          version,
          local,
          log,
          drained: () => depart(),
          observe: (event) => watched(event),
        })
  opened.push(() => cluster?.leave())
  const bus = cluster?.relay ?? local
  const ownership = cluster?.membership ?? aloneOwnership({ db, me: { node, life: randomUUID() }, clock: systemClock, log })
  const clock = cluster?.clock ?? systemClock
  const metrics = createMetrics()
  const knowledge = createKnowledge(db, Date.now)
  await knowledge.add(demo.id, {
    kb: 'demo',
    externalId: 'README.md',
    title: 'Nexus',
    content: await readFile(here('../README.md'), 'utf8'),
  })

  const housekeeping = startHousekeeping({ clock: systemClock, log, tidy: () => db.tidy() })
  opened.push(housekeeping.stop)
  const engine = createEngine({
    db,
    bus,
    log,
    ownership,
    clock,
    ...(cluster && { others: cluster.others }),
    refused: metrics.fenced,
    observe(step) {
      metrics.step(step)
      housekeeping.noteStep()
    },
    slots: (speeches) => slotsOf({ db, bus, models, knowledge, speeches, clock }),
  })
  opened.push(() => engine.stop(0))
  const stage = cluster?.relay ?? ownStage(engine)
  let draining = false
  const isDraining = () => draining || (cluster?.membership.isDraining() ?? false)
  /** Whoever leaves takes nothing more in, unless there is somebody else to do it. */
  const isClosing = () => draining && !cluster?.membership.peers().length
  const authenticate = createAuthenticator({ db, environment: config.environment, apiKey: config.apiKey, jwtSecret: config.jwtSecret })
  const policy = {
    whileBusy: config.whileBusy,
    budget: config.budget,
    ...(config.gatherWindow !== undefined && { window: config.gatherWindow }),
  }
  let rooms: Rooms | undefined
  const desk = createDesk({
    db,
    engine,
    maxLength: config.maxInputLength,
    policy,
    isDraining: isClosing,
    begins: (...who) => rooms?.begun(...who),
  })
  cluster?.serve({ engine, begun: (...who) => rooms?.begun(...who) })
  const health = createHealth({
    store: async () => {
      await ping(db)
      return { status: 'healthy', detail: db.kind }
    },
    models: async () => ({ status: models.describe().length > 0 ? 'healthy' : 'critical', detail: modelsLine(models) }),
    ...(cluster && {
      cluster: async () => {
        const { membership } = cluster
        const others = membership.peers().length
        const shards = membership.held().length
        if (membership.isSilent()) return { status: 'critical' as const, detail: 'the lease of this node cannot be proven' }
        return { status: 'healthy' as const, detail: `${shards} shards here, ${others} other nodes` }
      },
    }),
    ...(redis && {
      redis: async () => {
        // Without it everything is slower, and nothing else.
        return (await redis.isThere()) ? { status: 'healthy' as const } : { status: 'degraded' as const, detail: 'Redis does not answer' }
      },
    }),
  })

  metrics.watchEach('nexus_work_rows', 'Rows of work that has not ended', 'table', () => workLeft(db))
  metrics.watch('nexus_residents', 'Trees at hand', () => engine.host.counts().residents)
  metrics.watch('nexus_waiting_events', 'Events that wait in mailboxes', () => engine.host.counts().waiting)
  metrics.watch('nexus_running_effects', 'Pieces of work under way', () => engine.runner.count())
  metrics.watch('nexus_streams', 'Replies in flight', () => engine.speeches.count())

  const app = createApp({
    log,
    metrics,
    authenticate,
    bodyLimit: config.bodyLimit,
    origins: config.corsOrigins,
    docs: config.environment !== 'production',
    version,
    page: here('../channels/web/dist'),
  })
  opened.push(() => app.close())
  const guard = guarded(authenticate)
  app.after(() => {
    healthRoutes(app, { health, metrics, version, isDraining, about: () => aboutOf(models) })
    chatRoutes(app, { db, bus, stage, desk, guard, answerTimeout: config.answerTimeout, sessionTtl: config.sessionTtl })
    inboundRoutes(app, { db, bus, stage, desk, guard, answerTimeout: config.answerTimeout })
    workRoutes(app, { db, guard, health })
  })
  await app.ready()
  const sockets = openSockets({
    http: app.server,
    db,
    bus,
    stage,
    desk,
    authenticate,
    log,
    origins: config.corsOrigins,
    frameLimit: config.bodyLimit,
    refused: metrics.refused,
  })
  opened.push(sockets.close)
  rooms = sockets.rooms
  depart = () => void sockets.leave(SPREAD)
  if (redis && cluster) sockets.io.adapter(redis.adapter(cluster.name))
  watched = openOperators({
    namespace: sockets.io.of(OPERATORS),
    authenticate,
    chart: () => cluster?.membership.chart(),
    db,
    log,
  }).tell
  if (cluster) {
    metrics.watch('nexus_shards', 'Shards that this node has', () => cluster.membership.held().length)
    metrics.watch('nexus_nodes', 'Nodes that this node knows to live', () => cluster.membership.peers().length + 1)
    metrics.watch('nexus_draining', '1 while this node gives everything away', () => Number(draining || cluster.membership.isDraining()))
    metrics.watchEach('nexus_node_shards', 'Shards of each node that lives', 'node', async () =>
      sharesOf(cluster.membership.chart(), cluster.membership.shards),
    )
    metrics.watchEach('nexus_cluster', 'Mirrors, watchers, events that wait for other nodes, letters', 'what', async () => cluster.counts())
  }
  metrics.watch('active_connections', 'Sockets', () => sockets.io.engine.clientsCount)

  await engine.start()
  const host = config.host ?? (config.environment === 'development' ? '127.0.0.1' : '0.0.0.0')
  await app.listen({ port: config.port, host, backlog: BACKLOG }).catch((error: NodeJS.ErrnoException) => {
    throw error.code === 'EADDRINUSE' ? new Error(`Port ${config.port} is taken; set another PORT.`) : error
  })
  const { port } = app.server.address() as { port: number }

  return {
    url: `http://${host === '0.0.0.0' || host === '127.0.0.1' ? 'localhost' : host}:${port}`,
    db,
    models,
    lost: db.lost,
    async stop() {
      draining = true
      housekeeping.stop()
      // Where there is nowhere else to go nobody is waited for: the sooner this node is back, the better.
      const hasHeirs = cluster?.membership.peers().some((peer) => !peer.draining) ?? false
      const time = hasHeirs ? Math.min(SPREAD, config.drainMax) : 0
      const gone = sockets.leave(time || SPREAD)
      await cluster?.membership.drain().catch((error: Error) => log.warn({ err: error }, 'what this node had could not be given away'))
      const began = systemClock.ticks()
      // Before the engine stops and not beside it: replies go on ending meanwhile, and what those who are still here say is passed on.
      if (time > 0) await gone
      const left = await engine.stop(Math.max(0, config.drainMax - (systemClock.ticks() - began)))
      if (left > 0) log.info({ pieces: left }, 'work that had not ended is left to whoever comes next')
      await sockets.close()
      await app.close()
      await bus.close()
      await cluster?.leave()
      await redis?.close()
      await db.close()
    },
  }
}
