/** Half an hour, or as long as it is given, at half of what the node can do: what grows is a leak. */
import { type Benchmark, median } from './bench.ts'
import type { Held } from './soak.server.ts'
import { startWorker } from './worker.ts'

const PEOPLE = 50

interface Lived {
  sent: number
  answered: number
  failed: number
  refused: number
}

export const soak: Benchmark = {
  name: 'soak',
  about: 'people come, write and go at half load: memory, timers, open things and rows of work; --minutes says for how long',
  needsServer: true,
  async run({ short, minutes = 2 }) {
    const server = startWorker(import.meta.resolve('./soak.server.ts'))
    const clients = startWorker(import.meta.resolve('./soak.clients.ts'))
    try {
      const url = await server.ask<string>('url')
      const live = (perSecond: number, seconds: number) => clients.ask<Lived>('live', { url, people: PEOPLE, perSecond, seconds })
      // What it can do: as many as it answers while more arrive than it can take.
      const began = performance.now()
      const { answered } = await live(short ? 50 : 100, short ? 1 : 5)
      const perSecond = (1000 * answered) / (performance.now() - began) / 2
      await live(perSecond, short ? 1 : 60) // until everything that fills has filled
      const before = await server.ask<Held>('held')
      const samples: Held[] = []
      const lived: Lived[] = []
      const parts = short ? 3 : 30
      for (let part = 0; part < parts; part++) {
        lived.push(await live(perSecond, short ? 1 : (60 * minutes) / parts))
        samples.push(await server.ask<Held>('held'))
      }
      const last = samples.at(-1) as Held
      const sum = (what: keyof Lived) => lived.reduce((all, one) => all + one[what], 0)
      const growth = (what: 'rss' | 'heap') => slope(samples.map((sample) => sample[what]))
      return [
        {
          what: 'memory (RSS), growth from begin to end',
          unit: '%',
          ours: [growth('rss')],
          bar: { of: 'ours', least: -5, most: 5 },
          note: `${Math.round(before.rss)} MB before, ${Math.round(last.rss)} MB after ${short ? parts / 60 : minutes} minutes at ${perSecond.toFixed(0)} turns a second: ${sum('sent')} messages by ${Math.ceil(sum('sent') / 20)} people`,
        },
        { what: 'heap, growth from begin to end', unit: '%', ours: [growth('heap')] },
        { what: 'messages without an answer', unit: '', ours: [sum('sent') - sum('answered')], bar: { of: 'ours', most: 0 } },
        {
          what: 'unhandled rejections, too many listeners',
          unit: '',
          ours: [await server.ask<number>('unhandled')],
          bar: { of: 'ours', most: 0 },
        },
        { what: 'timers more than before', unit: '', ours: [last.timers - before.timers], bar: { of: 'ours', most: 0 } },
        { what: 'sockets, rooms and streams more than before', unit: '', ours: [last.open - before.open], bar: { of: 'ours', most: 0 } },
        { what: 'rows of work more than before', unit: '', ours: [last.rows - before.rows], bar: { of: 'ours', most: 0 } },
      ]
    } finally {
      await server.close()
      await clients.close()
    }
  },
}

/** Growth over all samples by the median of the slopes between them (Theil and Sen), in percent of their median: one odd sample moves it little. */
function slope(samples: number[]): number {
  const slopes = samples.flatMap((one, at) => samples.slice(at + 1).map((other, more) => (other - one) / (more + 1)))
  return (100 * median(slopes) * (samples.length - 1)) / median(samples)
}
