/** What readers cost who do not read: memory here, and time there where somebody does. */
import { type Benchmark, quantile } from './bench.ts'
import { startWorker } from './worker.ts'

const LISTENERS = 100

export const stalled: Benchmark = {
  name: 'stalled',
  about: 'readers who stop reading in mid-stream: memory of each, and the delay of those who read; bare: the same before any stalled',
  async run({ short }) {
    const readers = short ? 20 : 1_000
    const server = startWorker(import.meta.resolve('./stalled.server.ts'))
    const clients = startWorker(import.meta.resolve('./clients.ts'))
    const deaf = startWorker(import.meta.resolve('./stalled.clients.ts'))
    try {
      const url = await server.ask<string>('url')
      const conversations = await clients.ask<string[]>('join', { url, readers: LISTENERS })
      const tails = async () => {
        const p99: number[] = []
        for (let round = 0; round < (short ? 2 : 6); round++) {
          await server.ask('tell', { conversations, ms: short ? 300 : 2_000 })
          p99.push(quantile(await clients.ask<number[]>('delays'), 0.99))
        }
        return p99.slice(1)
      }
      await tails()
      const bare = await tails()
      const conversation = crypto.randomUUID()
      const before = await server.ask<number>('memory')
      await deaf.ask('stall', { url, readers, conversation })
      const frames = await server.ask<number>('shout', conversation)
      const held = ((await server.ask<number>('memory')) - before) / 1024 / readers
      return [
        {
          what: `a stalled reader, of ${readers}`,
          unit: 'KB',
          ours: [held],
          bar: { of: 'ours', most: 256 },
          note: `all of them were noticed within ${frames} frames of 4 KB`,
        },
        { what: 'delay of the others, p99', unit: 'ms', ours: await tails(), bare, bar: { of: 'ratio', most: 1.1 } },
      ]
    } finally {
      for (const worker of [server, clients, deaf]) await worker.close()
    }
  },
}
