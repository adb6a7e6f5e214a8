/** What a frame costs that is spoken on one node and heard by a socket on another, against one whose socket is on the same node. */
import { Redis } from 'ioredis'
import { openDatabase } from '../../sql/database.ts'
import type { Benchmark, Row } from './bench.ts'
import { type Fleet, freshGround, startFleet } from './fleet.ts'
import { serverCpu } from './store.cpu.ts'
import { startWorker, type Worker } from './worker.ts'

/** Conversations that speak; each has one socket. */
const STREAMS = 64
/** Milliseconds from one moment to the next: above what the post waits between two batches. */
const APART = { redis: 4, notify: 16 }
/** Rounds before the first that counts: 16 frames in 4 ms are so few that V8 has compiled their path for good after about five. */
const WARM = 5

export const relay: Benchmark = {
  name: 'relay',
  about: 'a frame spoken on node A for a socket on node B, CPU of A, B and the carrier; bare: the same frame for a socket on A',
  needsServer: true,
  needsRedis: true,
  async run({ short, databaseUrl, redisUrl }) {
    const rows: Row[] = []
    for (const carrier of ['redis', 'notify'] as const)
      rows.push(...(await across(databaseUrl as string, carrier === 'redis' ? redisUrl : undefined, APART[carrier], short)))
    return rows
  },
}

async function across(databaseUrl: string, redisUrl: string | undefined, apart: number, short: boolean): Promise<Row[]> {
  const ground = await freshGround(databaseUrl)
  const db = await openDatabase({ url: ground.url, max: 1 })
  const redis = redisUrl ? new Redis(redisUrl) : undefined
  const here = startWorker(import.meta.resolve('./clients.ts'))
  const there = startWorker(import.meta.resolve('./clients.ts'))
  let fleet: Fleet | undefined
  try {
    fleet = await startFleet(ground, import.meta.resolve('./relay.server.ts'), 2, { REDIS_URL: redisUrl ?? '' })
    const { conversationAt } = fleet
    const [a, b] = fleet.nodes as [Worker, Worker]
    const names = () => Array.from({ length: STREAMS }, () => conversationAt(0))
    const [near, far] = [names(), names()]
    await here.ask('join', { url: await a.ask('url'), conversations: near })
    await there.ask('join', { url: await b.ask('url'), conversations: far })

    /** µs that the nodes and the carrier have used so far. */
    const spent = async () => {
      const nodes = (await a.ask<number>('cpu')) + (await b.ask<number>('cpu'))
      return nodes + (redis ? await cpuOf(redis) : ((await serverCpu(db)) ?? Number.NaN))
    }
    const during = async (work: () => Promise<unknown>) => {
      const before = await spent()
      await work()
      return (await spent()) - before
    }
    /** µs a frame, and how many went in one publish. */
    const speak = async (conversations: string[], listener: Worker, together: number, ms: number) => {
      const moments = Math.round(ms / apart)
      const posted = await a.ask<Record<'sent' | 'batches', number>>('posted')
      const began = performance.now()
      let frames = 0
      const all = await during(async () => {
        frames = await a.ask<number>('speak', { conversations, together, moments, apart })
        await listener.ask('hear', { frames })
      })
      const took = performance.now() - began
      // What two nodes do anyway in this time: beats, looks, pulses.
      const idle = await during(() => new Promise((resolve) => setTimeout(resolve, took)))
      const now = await a.ask<typeof posted>('posted')
      return { each: (all - idle) / frames, together: (now.sent - posted.sent) / Math.max(1, now.batches - posted.batches) }
    }

    const [warm, rounds] = short ? [1, 1] : [WARM, 7]
    const ms = short ? 500 : 2_000
    const by = redis ? 'Redis' : 'NOTIFY'
    const rows: Row[] = []
    for (const together of [16, 1]) {
      const figures = { ours: [] as number[], bare: [] as number[] }
      let batch = 0
      for (let round = -warm; round < rounds; round++) {
        const remote = await speak(far, there, together, ms)
        const local = await speak(near, here, together, ms)
        if (round < 0) continue
        figures.ours.push(remote.each)
        figures.bare.push(local.each)
        batch = remote.together
      }
      rows.push({
        what: `${by}: a frame, ${together} at once`,
        unit: 'µs',
        ...figures,
        ...(redis && together > 1 && { bar: { of: 'ratio', most: 2 } as const }),
        note: `${batch.toFixed(1)} letters in a publish; what both nodes${redis ? ', Redis' : ' and PostgreSQL'} use at rest is taken off`,
      })
    }
    return rows
  } finally {
    await fleet?.close()
    await Promise.all([here.close(), there.close()])
    redis?.disconnect()
    await db.close()
    await ground.close()
  }
}

/** µs of CPU that the process of a Redis has used so far. */
async function cpuOf(redis: Redis): Promise<number> {
  const told = await redis.info('cpu')
  const seconds = (what: string) => Number(new RegExp(`${what}:([\\d.]+)`).exec(told)?.[1])
  return 1e6 * (seconds('used_cpu_sys') + seconds('used_cpu_user'))
}
