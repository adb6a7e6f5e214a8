/** What a streamed event costs in each model adapter, against its SDK alone. */
import { wires } from '../support/provider.wire.ts'
import { type Benchmark, interleaved, type Row } from './bench.ts'
import { startWorker, type Worker } from './worker.ts'

const STREAMS = 20
const MANY = 1_000

/** What a stream holds in its middle, a thousand at once, and that through what it holds when they are twenty. */
async function memories(double: Worker, reader: Worker, short: boolean): Promise<Row[]> {
  const many = short ? 2 * STREAMS : MANY
  const rows: Row[] = []
  await double.ask('script', { tokens: 100, pace: short ? 10 : 60 })
  const urls = await double.ask('urls')
  for (const wire of wires) {
    await reader.ask('use', { wire, urls })
    const held = (way: 'ours' | 'bare', streams: number) => reader.ask<number>('hold', { way, streams })
    await held('ours', STREAMS) // what all streams share is made
    const few = await held('ours', STREAMS)
    const ours = await held('ours', many)
    rows.push({ what: `${wire}: a stream of ${many} at once`, unit: 'KB', ours: [ours], bare: [await held('bare', many)] })
    rows.push({ what: `${wire}: … through one of ${STREAMS}`, unit: '×', ours: [ours / few], bar: { of: 'ours', most: 1.2 } })
  }
  return rows
}

export const adapters: Benchmark = {
  name: 'adapters',
  about:
    'a streamed event through SDK, adapter, watchdog and route, 20 streams at once over HTTP, and the memory of 20 and of 1,000; bare: the SDK alone',
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
      return [...rows, ...(await memories(double, reader, short))]
    } finally {
      await reader.close()
      await double.close()
    }
  },
}
