/** Model services of which 30 % of all calls go wrong: who is answered all the same, with what, and what it costs. */
import { type Benchmark, quantile } from './bench.ts'
import type { Heard } from './faulty.clients.ts'
import type { Books } from './faulty.double.ts'
import { startWorker } from './worker.ts'

const SHARE = 0.3

export const faulty: Benchmark = {
  name: 'faulty-provider',
  about: `${100 * SHARE} % of calls answer 429 or 500, hang, are cut or say garbage; bare: the same messages without any fault`,
  async run({ short }) {
    const [people, each] = short ? [10, 3] : [150, 20]
    const messages = people * each
    const double = startWorker(import.meta.resolve('./faulty.double.ts'))
    const clients = startWorker(import.meta.resolve('./faulty.clients.ts'))
    try {
      const urls = JSON.stringify(await double.ask('urls'))
      const run = async (share: number) => {
        // A node of its own for each: none remembers what the other has been through.
        const server = startWorker(import.meta.resolve('./faulty.server.ts'), {
          FAULTY_URLS: urls,
          ...(short && { FAULTY_DEADLINE: '1000' }),
        })
        try {
          await double.ask('begin', share)
          const heard = await clients.ask<Heard>('write', { url: await server.ask<string>('url'), people, each })
          return { heard, books: await double.ask<Books>('books') }
        } finally {
          await server.close()
        }
      }
      const clean = await run(0)
      const { heard, books } = await run(SHARE)
      const went = Object.entries(books.faults)
        .sort()
        .map(([name, count]) => `${count} × ${name}`)
      const failed = Object.entries(heard.failed).map(([code, count]) => `${count} × ${code}`)
      return [
        {
          what: `answered of ${messages}`,
          unit: '%',
          ours: [(100 * heard.answered) / messages],
          bare: [(100 * clean.heard.answered) / messages],
          bar: { of: 'ours', least: 99.9 },
          note: `${books.calls} calls, of which ${went.join(', ')}${failed.length ? `; unanswered: ${failed.join(', ')}` : ''}`,
        },
        {
          what: 'answers that differ from what was said',
          unit: '',
          ours: [heard.wrong],
          bare: [clean.heard.wrong],
          bar: { of: 'ours', most: 0 },
          note: 'as the reader assembled them and as they are stored: doubled, mixed or incomplete',
        },
        {
          what: 'longest silence of all',
          unit: 'ms',
          ours: [Math.max(...heard.silences)],
          bare: [Math.max(...clean.heard.silences)],
          bar: { of: 'ours', most: 10_000 },
        },
        { what: 'an answer, p50', unit: 'ms', ours: [quantile(heard.took, 0.5)], bare: [quantile(clean.heard.took, 0.5)] },
        { what: 'an answer, p99', unit: 'ms', ours: [quantile(heard.took, 0.99)], bare: [quantile(clean.heard.took, 0.99)] },
        {
          what: 'spent, in tokens at their prices',
          unit: '',
          ours: [books.spent],
          bare: [clean.books.spent],
          bar: { of: 'ratio', most: 1.05 },
          note: 'from the books of the service: a written token costs as much as five that are read',
        },
        {
          what: 'the same without what was cut off',
          unit: '',
          ours: [books.spent - books.wasted],
          bare: [clean.books.spent],
          note: 'a service bills the words of a call that it cuts off, and whoever asks again pays for the question twice',
        },
      ]
    } finally {
      await double.close()
      await clients.close()
    }
  },
}
