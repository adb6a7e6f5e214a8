/** How much later a person sees the first word because of us. */
import { type Benchmark, interleaved, median, quantile } from './bench.ts'
import { startWorker } from './worker.ts'

const STREAMS = 100

export const firstToken: Benchmark = {
  name: 'first-token',
  about: `from the provider's write of the first word to the client's frame, ${STREAMS} people at once; bare: the tutorial's relay`,
  async run({ short }) {
    const double = startWorker(import.meta.resolve('./first-token.double.ts'))
    const clients = startWorker(import.meta.resolve('./side-by-side.clients.ts'))
    const nexus = startWorker(import.meta.resolve('./side-by-side.nexus.server.ts'))
    const tutorial = startWorker(import.meta.resolve('./side-by-side.tutorial.server.ts'))
    try {
      const model = await double.ask<string>('url', short ? 30 : 240)
      const people = short ? 10 : STREAMS
      await clients.ask('come', { name: 'nexus', url: await nexus.ask('start', model), people })
      await clients.ask('come', { name: 'tutorial', url: await tutorial.ask('start', model), people })
      const tails: Record<string, number[]> = { nexus: [], tutorial: [] }
      const side = (name: string) => async (round: number) => {
        const waited = await clients.ask<number[]>('wait', { name, times: short ? 1 : 2, spread: short ? 500 : 4_000 })
        if (round >= 0) tails[name]?.push(quantile(waited, 0.99))
        return median(waited)
      }
      const medians = await interleaved({ rounds: short ? 1 : 3, ours: side('nexus'), bare: side('tutorial') })
      const added = median(medians.ours.map((ms, round) => ms - (medians.bare[round] as number)))
      return [
        { what: 'the first word, p50', unit: 'ms', ...medians },
        { what: 'added by us, p50', unit: 'ms', ours: [added], bar: { of: 'ours', most: 2 } },
        { what: 'the first word, p99', unit: 'ms', ours: [median(tails.nexus ?? [])], bare: [median(tails.tutorial ?? [])] },
      ]
    } finally {
      for (const worker of [double, clients, nexus, tutorial]) await worker.close()
    }
  },
}
