/** What a token costs from the adapter's event to the socket, a thousand streams at once. */
import { type Benchmark, interleaved } from './bench.ts'
import { until } from '../support/until.ts'
import { startWorker } from './worker.ts'

const PACE = 60

export const tokens: Benchmark = {
  name: 'tokens',
  about: `streams at ${PACE} tokens a second, from the model's event to the sockets, stream log included; bare: an emit a token`,
  async run({ short, databaseUrl }) {
    const streams = short ? 50 : 1_000
    const ms = short ? 500 : 4_000
    const server = startWorker(import.meta.resolve('./tokens.server.ts'))
    const clients = startWorker(import.meta.resolve('./clients.ts'))
    try {
      const conversations = await clients.ask<string[]>('join', { url: await server.ask<string>('url'), readers: streams })
      await clients.ask('ask', conversations)
      await until(async () => (await server.ask<number>('streams')) === streams, 'every reply to begin', 60_000)
      await server.ask('relay', conversations)
      const side = (way: 'ours' | 'bare') => async () => (await server.ask<{ each: number }>(way, { tokensPerSecond: PACE, ms })).each
      const figures = await interleaved({ rounds: short ? 2 : 5, ours: side('ours'), bare: side('bare') })
      const counted = databaseUrl ? 'the PostgreSQL server is a process of its own and not counted' : 'the embedded store is counted'
      const note = `${counted}; 6 µs were 0.9 × a bare emit where the bar was set, which the ratio tells on any machine`
      return [{ what: `a token, ${streams} streams`, unit: 'µs', ...figures, bar: { of: 'ours', most: 6 }, note }]
    } finally {
      await server.close()
      await clients.close()
    }
  },
}
