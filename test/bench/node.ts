/** A node as `runtime/system.ts` joins it, with its insides in reach and models that a benchmark brings. In a worker only. */
import { ownStage } from '../../runtime/cluster/stage.ts'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createKnowledge } from '../../actors/knowledge.ts'
import { createModels } from '../../actors/models/models.ts'
import type { Provider } from '../../actors/models/model.ts'
import type { ModelSettings } from '../../actors/models/tiers.ts'
import type { Database } from '../../sql/database.ts'
import { demo, keepTenant } from '../../sql/tenants.ts'
import { memoryBus } from '../../runtime/cluster/bus.memory.ts'
import { aloneOwnership } from '../../runtime/cluster/ownership.alone.ts'
import type { Bus } from '../../runtime/cluster/bus.ts'
import { createAuthenticator } from '../../runtime/gateway/auth.ts'
import { createDesk } from '../../runtime/gateway/desk.ts'
import { openSockets } from '../../runtime/gateway/sockets.ts'
import { systemClock } from '../../runtime/host/clock.ts'
import { createEngine } from '../../runtime/host/engine.ts'
import type { Limits } from '../../runtime/host/host.ts'
import type { Speeches } from '../../runtime/host/speech.ts'
import { slotsOf } from '../../runtime/slots.ts'
import { silent } from '../../runtime/watch/log.ts'
import { variantAt } from '../support/postgres.ts'
import { freshStore } from '../support/store.ts'
import { atEnd } from './worker.ts'

export const tenant = demo.id

/** Milliseconds for one draft: a benchmark holds its streams longer than people would wait. */
const PATIENCE = 600_000

export interface BenchNode {
  url: string
  bus: Bus
  speeches: Speeches
  sockets: ReturnType<typeof openSockets>
  engine: ReturnType<typeof createEngine>
}

export interface NodeNeeds {
  /** Whose the models are; without any, `provider` stands in for the offline one. */
  settings?: ModelSettings
  provider?: Provider
  limits?: Limits
  /** Puts something between the node and its store. */
  through?: (db: Database) => Database
}

/** On the server that BENCH_DATABASE_URL names, else on the embedded store in memory. */
export async function openNode({ settings = {}, provider, limits, through = (db) => db }: NodeNeeds = {}): Promise<BenchNode> {
  const store = await freshStore(variantAt(process.env.BENCH_DATABASE_URL))
  atEnd(store.close)
  const db = through(store.db)
  await keepTenant(db, demo)
  const bus = memoryBus()
  const models = createModels({ settings, ...(provider && { providers: { offline: provider } }) })
  const knowledge = createKnowledge(db, Date.now)
  const engine = createEngine({
    db,
    bus,
    log: silent,
    ownership: aloneOwnership({ db, me: { node: 'bench', life: 'bench' }, clock: systemClock, log: silent }),
    ...(limits && { limits }),
    slots: (speeches) => slotsOf({ db, bus, models, knowledge, speeches }),
  })
  const authenticate = createAuthenticator({ db, environment: 'development', apiKey: undefined, jwtSecret: undefined })
  const desk = createDesk({
    db,
    engine,
    maxLength: 10_000,
    policy: { patience: { intern: PATIENCE, director: PATIENCE, ceo: PATIENCE } },
    isDraining: () => false,
  })
  const http = createServer()
  const sockets = openSockets({ http, db, bus, stage: ownStage(engine), desk, authenticate, log: silent, origins: [], frameLimit: 64_000 })
  await engine.start()
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  return { url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`, bus, speeches: engine.speeches, sockets, engine }
}
