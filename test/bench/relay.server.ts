/** A node of a cluster whose insides are in reach: it speaks to rooms whose sockets are here or at its neighbour. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createKnowledge } from '../../actors/knowledge.ts'
import { createModels } from '../../actors/models/models.ts'
import { memoryBus } from '../../runtime/cluster/bus.memory.ts'
import { joinCluster } from '../../runtime/cluster/join.ts'
import { openRedis } from '../../runtime/cluster/redis.ts'
import { readConfig } from '../../runtime/config.ts'
import { createAuthenticator } from '../../runtime/gateway/auth.ts'
import { createDesk } from '../../runtime/gateway/desk.ts'
import { openSockets } from '../../runtime/gateway/sockets.ts'
import { createEngine } from '../../runtime/host/engine.ts'
import { slotsOf } from '../../runtime/slots.ts'
import { silent } from '../../runtime/watch/log.ts'
import { openDatabase } from '../../sql/database.ts'
import { tenant } from './node.ts'
import { atEnd, cpu, serve } from './worker.ts'

const TEXT = 'forty characters of text in every frame '

const config = readConfig(JSON.parse(process.env.BENCH_SETTINGS as string) as Record<string, string>)
const url = config.databaseUrl as string
const redis = config.redisUrl ? await openRedis(config.redisUrl) : undefined
const db = await openDatabase({ url })
const cluster = await joinCluster({
  db,
  url,
  config,
  redis,
  node: config.nodeName as string,
  version: 'bench',
  local: memoryBus(),
  log: silent,
  drained() {},
  observe() {},
})
const { relay: bus, membership } = cluster
const knowledge = createKnowledge(db, Date.now)
const engine = createEngine({
  db,
  bus,
  log: silent,
  ownership: membership,
  others: cluster.others,
  clock: cluster.clock,
  slots: (speeches) => slotsOf({ db, bus, models: createModels({ settings: {} }), knowledge, speeches }),
})
const authenticate = createAuthenticator({ db, environment: 'development', apiKey: undefined, jwtSecret: undefined })
const desk = createDesk({ db, engine, maxLength: 10_000, policy: {}, isDraining: () => false })
const http = createServer()
const sockets = openSockets({ http, db, bus, stage: bus, desk, authenticate, log: silent, origins: [], frameLimit: 64_000 })
cluster.serve({ engine, begun: (...who) => sockets.rooms.begun(...who) })
if (redis) sockets.io.adapter(redis.adapter(cluster.name))
await engine.start()
await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
atEnd(async () => {
  await engine.stop(0)
  await cluster.leave()
  await redis?.close()
  await db.close()
})

let attempt = 0

interface Pace {
  conversations: string[]
  /** Frames of the same moment, one to each of so many of them. */
  together: number
  moments: number
  /** Milliseconds from one moment to the next. */
  apart: number
}

serve({
  url: () => `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
  cpu,
  /** Letters and the batches that they went in, of all that were sent so far. */
  posted: () => {
    const { sent, batches } = cluster.counts()
    return { sent, batches }
  },
  /** Speaks at this pace; resolves with how many frames were said. */
  speak: async ({ conversations, together, moments, apart }: Pace) => {
    const turn = ++attempt
    const voices = conversations.map((actor) => ({
      actor,
      voice: engine.speeches.open({ tenant, actor, turn: `${actor}.1`, attempt: turn }),
    }))
    let next = 0
    for (let moment = 0; moment < moments; moment++) {
      for (let frame = 0; frame < together; frame++) {
        const { actor, voice } = voices[next++ % voices.length] as (typeof voices)[number]
        voice.say(TEXT)
        engine.speeches.flush(tenant, actor) // no window: every word is a frame
      }
      await new Promise((resolve) => setTimeout(resolve, apart))
    }
    return next
  },
})
