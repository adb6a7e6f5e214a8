/** What one whole turn costs, from the message at the socket to the last word at the reader, with the offline models. */
import { type Benchmark, type Options, quantile, type Row } from './bench.ts'
import type { Asked } from './turn.counted.ts'
import { startWorker } from './worker.ts'

const PEOPLE = 100

interface Written {
  acknowledged: number[]
  answered: number[]
  refused: number
}

export const turn: Benchmark = {
  name: 'turn',
  about: 'a whole turn at a fixed arrival rate: what it asks of the store, its CPU, and how long the message waits for its acknowledgement',
  run: async (options) => [
    ...(options.short && options.databaseUrl ? [] : await measured('embedded', options, '')),
    ...(options.databaseUrl ? await measured('PostgreSQL', options, options.databaseUrl) : []),
  ],
}

async function measured(store: string, { short }: Options, databaseUrl: string): Promise<Row[]> {
  const [rounds, perSecond, messages] = short ? [1, 20, 40] : [5, 30, 300]
  const server = startWorker(import.meta.resolve('./turn.server.ts'), { BENCH_DATABASE_URL: databaseUrl })
  const clients = startWorker(import.meta.resolve('./turn.clients.ts'))
  try {
    await clients.ask('join', { url: await server.ask<string>('url'), count: PEOPLE })
    await clients.ask('write', { perSecond: 50, messages: PEOPLE }) // everybody has a past
    const paced: (Written & Asked & { cpu: number })[] = []
    const bursts: Written[] = []
    for (let round = 0; round < rounds; round++) {
      await server.ask('begin')
      const written = await clients.ask<Written>('write', { perSecond, messages })
      paced.push({ ...written, ...(await server.ask<Asked & { cpu: number }>('end')) })
      bursts.push(await clients.ask<Written>('write', { perSecond: Number.POSITIVE_INFINITY, messages: PEOPLE }))
    }
    const each = (what: keyof Asked | 'cpu') => paced.map((one) => one[what] / messages)
    const waited = (all: Written[], what: 'acknowledged' | 'answered', p: number) => all.map((one) => quantile(one[what], p))
    return [
      { what: `${store}: steps committed`, unit: '', ours: each('steps'), bar: { of: 'ours', most: 4 } },
      { what: `${store}: statements of all kinds`, unit: '', ours: each('statements') },
      { what: `${store}: round trips to the store`, unit: '', ours: each('roundTrips') },
      { what: `${store}: CPU of the node`, unit: 'ms', ours: each('cpu') },
      { what: `${store}: acknowledged at ${perSecond}/s, p50`, unit: 'ms', ours: waited(paced, 'acknowledged', 0.5) },
      { what: `${store}: acknowledged at ${perSecond}/s, p99`, unit: 'ms', ours: waited(paced, 'acknowledged', 0.99) },
      { what: `${store}: answered at ${perSecond}/s, p50`, unit: 'ms', ours: waited(paced, 'answered', 0.5) },
      { what: `${store}: acknowledged of ${PEOPLE} at once, p50`, unit: 'ms', ours: waited(bursts, 'acknowledged', 0.5) },
      { what: `${store}: acknowledged of ${PEOPLE} at once, p99`, unit: 'ms', ours: waited(bursts, 'acknowledged', 0.99) },
    ]
  } finally {
    await server.close()
    await clients.close()
  }
}
