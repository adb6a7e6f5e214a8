/** What a socket costs that only listens, and a conversation that is at rest. */
import { type Benchmark, median } from './bench.ts'
import { startWorker } from './worker.ts'

/** Rounds of conversations until compiled code has settled, and those that are looked at. */
const WARM = 2
const ROUNDS = 5

export const memory: Benchmark = {
  name: 'memory',
  about: 'memory of a joined idle socket (bare: Socket.IO and a room), and of a conversation at rest',
  async run({ short }) {
    const readers = short ? 100 : 2_000
    const perSocket = async (file: string) => {
      const server = startWorker(import.meta.resolve(file))
      const clients = startWorker(import.meta.resolve('./clients.ts'))
      try {
        const url = await server.ask<string>('url')
        // The first crowd also takes what the start has left free, and brings what all sockets share.
        await clients.ask('join', { url, readers })
        const before = await server.ask<number>('memory')
        await clients.ask('join', { url, readers })
        return ((await server.ask<number>('memory')) - before) / 1024 / readers
      } finally {
        await clients.close()
        await server.close()
      }
    }
    const sockets = { ours: [await perSocket('./memory.server.ts')], bare: [await perSocket('./bare.server.ts')] }

    const few = short ? 40 : 1_000
    const server = startWorker(import.meta.resolve('./memory.server.ts'))
    try {
      // Compiled code and caches settle in time, what is kept for each conversation never does.
      for (let round = 0; round < WARM; round++) await server.ask('converse', few)
      const heaps = [await server.ask<number>('converse', few)]
      for (let round = 0; round < ROUNDS; round++) heaps.push(await server.ask<number>('converse', few))
      const growth = heaps.slice(1).map((heap, round) => (heap - (heaps[round] as number)) / 1024 / few)
      return [
        { what: `a joined idle socket, of ${readers}`, unit: 'KB', ...sockets, bar: { of: 'ours', most: 35 } },
        {
          what: `a conversation at rest, of ${ROUNDS * few}`,
          unit: 'KB',
          ours: [Math.max(0, median(growth))],
          bar: { of: 'ours', most: 0.1 },
          note: 'growth of the heap, median of five rounds, with a hundred kept at hand; production keeps ten thousand at hand at most',
        },
      ]
    } finally {
      await server.close()
    }
  },
}
