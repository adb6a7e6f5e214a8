/** What a streamed event costs in each model adapter, against its SDK alone. */
import { wires } from '../support/provider.wire.ts'
import { type Benchmark, interleaved, type Row } from './bench.ts'
import { startWorker } from './worker.ts'

const STREAMS = 20

export const adapters: Benchmark = {
  name: 'adapters',
  about: 'a streamed event through SDK, adapter, watchdog and route, 20 streams at once over HTTP; bare: the SDK alone',
  async run({ short }) {
    const tokens = short ? 100 : 4_000
    const double = startWorker(import.meta.resolve('./double.ts'))
    const reader = startWorker(import.meta.resolve('./adapters.server.ts'))
    const rows: Row[] = []
    try {
      const urls = await double.ask('urls')
      await double.ask('script', { tokens, pace: 0 })
      for (const wire of wires) {
        await reader.ask('use', { wire, urls })
        const side = (way: 'ours' | 'bare') => () => reader.ask<number>('read', { way, streams: STREAMS, tokens })
        const figures = await interleaved({ rounds: short ? 2 : 9, ours: side('ours'), bare: side('bare') })
        rows.push({ what: wire, unit: 'µs', ...figures, bar: { of: 'ours', most: 10 } })
      }
      return rows
    } finally {
      await reader.close()
      await double.close()
    }
  },
}
