/** Chooses the parts, in memory or on servers, and hands them out joined. The only place that knows all rooms. */
import { readFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { fileURLToPath } from 'node:url'
import { createAdapter } from '@socket.io/redis-adapter'
import { Redis } from 'ioredis'
import { answering } from '../actors/answering.ts'
import { classifying } from '../actors/classifying.ts'
import { consulting } from '../actors/consulting.ts'
import { type Knowledge, createKnowledge } from '../actors/knowledge.ts'
import { type Models, createModels } from '../actors/models/models.ts'
import { salvaging } from '../actors/salvaging.ts'
import { validating } from '../actors/validating.ts'
import { workLeft } from '../sql/actors.ts'
import { readHistory } from '../sql/conversations.ts'
import { type Database, openDatabase } from '../sql/database.ts'
import { migrate } from '../sql/migrate.ts'
import { enterNode } from '../sql/nodes.ts'
import { ping } from '../sql/ping.ts'
import { demo, keepTenant } from '../sql/tenants.ts'
import { type Bus, roomOf } from './cluster/bus.ts'
import { memoryBus } from './cluster/bus.memory.ts'
import type { Config } from './config.ts'
import { createAuthenticator } from './gateway/auth.ts'
import { createDesk } from './gateway/desk.ts'
import { createApp, guarded } from './gateway/http.ts'
import { chatRoutes } from './gateway/routes.chat.ts'
import { healthRoutes } from './gateway/routes.health.ts'
import { inboundRoutes } from './gateway/routes.inbound.ts'
import { workRoutes } from './gateway/routes.work.ts'
import type { Rooms } from './gateway/rooms.ts'
import { openSockets } from './gateway/sockets.ts'
import { systemClock } from './host/clock.ts'
import { createEngine, spokenBefore } from './host/engine.ts'
import type { Slot } from './host/runner.ts'
import type { Speeches } from './host/speech.ts'
import { startHousekeeping } from './watch/housekeeping.ts'
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

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))
const HISTORY = 40

/** Builds and starts everything; throws one sentence when something that was asked for is not there. */
export async function startSystem(config: Config, log: Log): Promise<System> {
  const node = config.nodeName ?? `${hostname()}-${process.pid.toString(36)}-${Math.random().toString(36).slice(2, 6)}`
  const models = createModels({
    settings: modelSettings(config),
    log: ({ event, ...what }) => log.warn(what, event === 'model.failed' ? 'a model failed' : 'a slow model got a rival'),
  })
  const redis = await openRedis(config.redisUrl)
  const db = await openDatabase({ url: config.databaseUrl, dataDir: config.dataDir, log })
  await migrate(db)
  await keepTenant(db, demo)
  const { presence, close: leave } = await openPresence(config, db, node, log)

  const bus = memoryBus({ log })
  const metrics = createMetrics()
  const knowledge = createKnowledge(db, Date.now)
  await knowledge.add(demo.id, {
    kb: 'demo',
    externalId: 'README.md',
    title: 'Nexus',
    content: await readFile(here('../README.md'), 'utf8'),
  })

  const housekeeping = startHousekeeping({ clock: systemClock, log, tidy: () => db.tidy() })
  const engine = createEngine({
    db,
    bus,
    log,
    node,
    observe(step) {
      metrics.step(step)
      housekeeping.noteStep()
    },
    ...(presence && { presence }),
    slots: (speeches) => slotsOf({ db, bus, models, knowledge, speeches }),
  })
  let draining = false
  const isDraining = () => draining
  const authenticate = createAuthenticator({ db, environment: config.environment, apiKey: config.apiKey, jwtSecret: config.jwtSecret })
  const policy = {
    whileBusy: config.whileBusy,
    budget: config.budget,
    ...(config.gatherWindow !== undefined && { window: config.gatherWindow }),
  }
  let rooms: Rooms | undefined
  const desk = createDesk({ db, engine, maxLength: config.maxInputLength, policy, isDraining, begins: (...who) => rooms?.begun(...who) })
  const health = createHealth({
    store: async () => {
      await ping(db)
      return { status: 'healthy', detail: db.kind }
    },
    models: async () => ({ status: models.describe().length > 0 ? 'healthy' : 'critical', detail: modelsLine(models) }),
    ...(redis && {
      redis: async () => {
        await redis.control.ping()
        return { status: 'healthy' as const }
      },
    }),
  })

  metrics.watchEach('nexus_work_rows', 'Rows of work that has not ended', 'table', () => workLeft(db))
  metrics.watch('nexus_residents', 'Trees at hand', () => engine.host.counts().residents)
  metrics.watch('nexus_waiting_events', 'Events that wait in mailboxes', () => engine.host.counts().waiting)
  metrics.watch('nexus_running_effects', 'Pieces of work under way', () => engine.runner.count())
  metrics.watch('nexus_streams', 'Replies in flight', () => engine.speeches.count())

  const version = (JSON.parse(await readFile(here('../package.json'), 'utf8')) as { version: string }).version
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
  const guard = guarded(authenticate)
  app.after(() => {
    healthRoutes(app, { health, metrics, version, isDraining, about: () => aboutOf(models) })
    chatRoutes(app, { db, bus, engine, desk, guard, answerTimeout: config.answerTimeout, sessionTtl: config.sessionTtl })
    inboundRoutes(app, { db, bus, desk, guard, answerTimeout: config.answerTimeout })
    workRoutes(app, { db, guard, health })
  })
  await app.ready()
  const sockets = openSockets({
    http: app.server,
    db,
    bus,
    engine,
    desk,
    authenticate,
    log,
    origins: config.corsOrigins,
    frameLimit: config.bodyLimit,
  })
  rooms = sockets.rooms
  if (redis) sockets.io.adapter(createAdapter(redis.publish, redis.control, { publishOnSpecificResponseChannel: true }))
  metrics.watch('active_connections', 'Sockets', () => sockets.io.engine.clientsCount)

  await engine.start()
  const host = config.host ?? (config.environment === 'development' ? '127.0.0.1' : '0.0.0.0')
  await app.listen({ port: config.port, host }).catch((error: NodeJS.ErrnoException) => {
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
      sockets.leave(5_000)
      await engine.stop(config.drainMax)
      await sockets.close()
      await app.close()
      await bus.close()
      await redis?.close()
      await leave()
      await db.close()
    },
  }
}

/** A connection of its own, whose lock tells the neighbours that we live. The embedded store has no neighbours. */
async function openPresence(config: Config, db: Database, node: string, log: Log) {
  const lock = config.databaseUrl ? await openDatabase({ url: config.databaseUrl, max: 1 }) : undefined
  const hold = () => enterNode(db, lock ?? db, node)
  // A neighbour that looks whether we live holds the lock for a moment.
  for (let tries = 1; !(await hold()); tries++) {
    if (tries === 3) {
      await lock?.close()
      throw new Error(`A node named ${node} is already running on this database; set another NODE_NAME.`)
    }
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return {
    close: async () => lock?.close(),
    ...(lock && {
      presence: {
        hold,
        lost() {
          log.error({ node }, 'another process has taken the name of this node, and with it its work: this one ends')
          process.exit(1)
        },
      },
    }),
  }
}

/** Whoever fills a slot, by the slot's name. To add one: the slot in its chart, the filling in actors/, one line here. */
function slotsOf({
  db,
  bus,
  models,
  knowledge,
  speeches,
}: {
  db: Database
  bus: Bus
  models: Models
  knowledge: Knowledge
  speeches: Speeches
}): Record<string, Slot> {
  const history = (tenant: string, conversation: string, before: string[]) => readHistory(db, tenant, conversation, before, HISTORY)
  return {
    classify: { fill: classifying({ models, history }), whenLost: 'repeat' },
    answer: {
      fill: answering({
        models,
        history,
        search: (tenant, text) => knowledge.search(tenant, text),
        speech: ({ tenant, actor }, turn, attempt) => speeches.open({ tenant, actor, turn, attempt }),
        announce: ({ tenant, actor }, status) =>
          bus.publish({ room: roomOf(tenant, actor), name: 'agent.status', payload: { conversation: actor, ...status, at: Date.now() } }),
        clock: () => performance.now(),
      }),
      // Words may have been heard already: the machine withdraws them and begins a new attempt.
      whenLost: 'tell',
    },
    consult: { fill: consulting(), whenLost: 'tell' },
    validate: { fill: validating(), whenLost: 'repeat' },
    salvage: { fill: salvaging({ cut: (place) => speeches.cut(place), logged: spokenBefore(db) }), whenLost: 'repeat' },
  }
}

/** Asked for and not there means stop: never a silent fallback. */
async function openRedis(url: string | undefined) {
  if (!url) return undefined
  const control = new Redis(url, {
    lazyConnect: true,
    maxRetriesPerRequest: 2,
    connectTimeout: 3_000,
    retryStrategy: (times) => Math.min(times * 100, 2_000),
  })
  control.on('error', () => {}) // each command that fails says so itself
  await control.connect().catch((cause: Error) => {
    control.disconnect()
    throw new Error(`REDIS_URL is set and no Redis answers there: ${cause.message}`)
  })
  const publish = control.duplicate()
  publish.on('error', () => {})
  return {
    control,
    publish,
    async close() {
      control.disconnect()
      publish.disconnect()
    },
  }
}

const modelSettings = (config: Config) => ({
  ceo: config.modelCeo,
  director: config.modelDirector,
  intern: config.modelIntern,
  admin: config.modelAdmin,
  anthropicApiKey: config.anthropicApiKey,
  anthropicBaseUrl: config.anthropicBaseUrl,
  openaiApiKey: config.openaiApiKey,
  openaiBaseUrl: config.openaiBaseUrl,
  openaiApi: config.openaiApi,
  geminiApiKey: config.geminiApiKey,
  geminiBaseUrl: config.geminiBaseUrl,
  ollamaBaseUrl: config.ollamaBaseUrl,
  ollamaModel: config.ollamaModel,
  chatBaseUrl: config.chatBaseUrl,
  chatApiKey: config.chatApiKey,
  chatModel: config.chatModel,
  decisions: config.decisions,
  hedge: config.hedge,
  offlinePace: config.offlinePace,
})

/** `intern anthropic/claude-haiku-5-5, …`: the first choice of each tier. */
export function modelsLine(models: Pick<Models, 'describe'>): string {
  const first = new Map<string, string>()
  for (const { tier, provider, model } of models.describe()) if (!first.has(tier)) first.set(tier, `${provider}/${model}`)
  const names = [...new Set(first.values())]
  return names.length === 1 ? `${names[0]} for every tier` : [...first].map(([tier, model]) => `${tier} ${model}`).join(', ')
}

const aboutOf = (models: Models) => ({
  models: models.describe(),
  offline: models.describe().every(({ provider }) => provider === 'offline'),
  tenant: demo.name,
  bot: {
    name: 'Nexus',
    greeting: 'Ask about Nexus, or anything else once a model is configured.',
    suggestions: ['What is Nexus?', 'How do I add a model?', 'What happens when a node dies in mid-answer?'],
  },
})
