/** Cuts connections in the middle of replies: nothing may be missing, nothing twice, and coming back must be cheap. */
import { until } from '../support/until.ts'
import { type Benchmark, interleaved } from './bench.ts'
import { startWorker } from './worker.ts'

const PEOPLE = 200
/** Tokens a second of each reply: enough to be cut in its middle, and little beside the price of coming back. */
const PACE = 10

export const resume: Benchmark = {
  name: 'resume',
  about: 'connections cut in mid-stream, which come back and join by their cursor; bare: connect and enter a room',
  async run({ short }) {
    const people = short ? 20 : PEOPLE
    const rounds = 5
    // Ten thousand, and those that warm up.
    const times = short ? 1 : 10
    const server = startWorker(import.meta.resolve('./tokens.server.ts'))
    const bare = startWorker(import.meta.resolve('./bare.server.ts'))
    const clients = startWorker(import.meta.resolve('./resume.clients.ts'))
    try {
      await clients.ask('come', { url: await server.ask('url'), people })
      await until(async () => (await server.ask<number>('streams')) === people, 'every reply to begin', 60_000)
      await server.ask('drip', PACE)
      await clients.ask('speaking')
      const url = await bare.ask('url')
      const cost = async (worker: typeof server, reconnect: () => Promise<number>) => {
        const before = await worker.ask<number>('cpu')
        const cuts = await reconnect()
        return ((await worker.ask<number>('cpu')) - before) / cuts
      }
      let cuts = 0
      const each = await interleaved({
        rounds: short ? 1 : rounds,
        ours: () =>
          cost(server, async () => {
            const made = await clients.ask<number>('cut', times)
            cuts += made
            return made
          }),
        bare: () => cost(bare, () => clients.ask('bare', { url, people, times })),
      })
      await server.ask('end')
      const { gaps, duplicates, differences } = await clients.ask<Record<'gaps' | 'duplicates' | 'differences', number>>('faults')
      const none = { of: 'ours', most: 0 } as const
      const persecond = (costs: number[]) => costs.map((cost) => 1e6 / cost)
      return [
        { what: `gaps in ${cuts} resumes`, unit: '', ours: [gaps], bar: none },
        { what: `duplicates in ${cuts} resumes`, unit: '', ours: [duplicates], bar: none },
        { what: `texts that differ, of ${people}`, unit: '', ours: [differences], bar: none },
        {
          what: 'resumes a second and core',
          unit: '/s',
          ours: persecond(each.ours),
          bare: persecond(each.bare),
          bar: { of: 'ours', least: 2_000 },
        },
      ]
    } finally {
      for (const worker of [server, bare, clients]) await worker.close()
    }
  },
}
