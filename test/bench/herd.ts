/** Ten thousand sockets that are cut in the same moment: how long until all are back where they stood, and what it does to the nodes. */
import type { Benchmark } from './bench.ts'
import { type Fleet, freshGround, startFleet } from './fleet.ts'
import { populate, restingName } from './fleet.past.ts'
import { startWorker, type Worker } from './worker.ts'

/** Of a hundred, so many hear an answer while they are cut. */
const LISTENING = 2
/** Words of that answer, and milliseconds between two: it outlasts the herd. */
const ANSWER = { tokens: 60, pace: 500 }

const whole = (ms: number) => ms.toFixed(0)

export const herd: Benchmark = {
  name: 'herd',
  about: 'sockets on two nodes that are all cut at once, and come back and resume by their cursor with the pauses of socket.io-client',
  needsServer: true,
  async run({ short, databaseUrl, redisUrl }) {
    const [sockets, rounds, processes] = short ? [300, 1, 2] : [10_000, 3, 4]
    const ground = await freshGround(databaseUrl as string)
    const double = startWorker(import.meta.resolve('./double.ts'))
    const clients = Array.from({ length: processes }, () => startWorker(import.meta.resolve('./herd.clients.ts')))
    const all = <T>(what: string, given?: unknown) => Promise.all(clients.map((worker) => worker.ask<T>(what, given)))
    let fleet: Fleet | undefined
    try {
      await populate(ground, sockets)
      const { openai } = await double.ask<{ openai: string }>('urls')
      await double.ask('script', short ? { tokens: 20, pace: 200 } : ANSWER)
      const settings = { OPENAI_API_KEY: 'key', OPENAI_BASE_URL: openai, ...(redisUrl && { REDIS_URL: redisUrl }) }
      fleet = await startFleet(ground, import.meta.resolve('./fleet.server.ts'), 2, settings)
      const { nodes } = fleet
      const urls = await Promise.all(nodes.map((node) => node.ask<string>('url')))
      const share = Math.floor(sockets / processes)
      await Promise.all(
        clients.map((worker, at) => {
          const conversations = Array.from({ length: share }, (_, n) => restingName(at * share + n))
          // An address of its own for each process: the ports of one would be short.
          return worker.ask('come', { urls, conversations, from: `127.0.0.${at + 1}` })
        }),
      )

      const cpuOf = async (workers: Worker[]) =>
        (await Promise.all(workers.map((one) => one.ask<number>('cpu')))).reduce((a, b) => a + b, 0)
      const seconds: number[] = []
      const lags: number[] = []
      const longest: number[] = []
      const shares: string[] = []
      let faults = { gaps: 0, duplicates: 0, repeated: 0, differences: 0, retries: 0 }
      let asked = 0
      for (let round = 0; round < rounds; round++) {
        asked += (await all<number>('ask', Math.max(1, Math.round((share * LISTENING) / 100)))).reduce((a, b) => a + b, 0)
        await Promise.all(nodes.map((node) => node.ask('lag')))
        const before = [await cpuOf(clients), await cpuOf(nodes)] as const
        const began = performance.now()
        await all('cut')
        const took = (performance.now() - began) / 1000
        const spent = [(await cpuOf(clients)) - before[0], (await cpuOf(nodes)) - before[1]].map((cpu) => cpu / 1e6) as [number, number]
        const lag = await Promise.all(nodes.map((node) => node.ask<Record<'p99' | 'most', number>>('lag')))
        seconds.push(took)
        lags.push(Math.max(...lag.map(({ p99 }) => p99)))
        longest.push(Math.max(...lag.map(({ most }) => most)))
        shares.push(`clients ${spent[0].toFixed(1)} s, nodes ${spent[1].toFixed(1)} s of CPU`)
        const told = await all<typeof faults>('faults')
        const sum = (what: keyof typeof faults) => told.reduce((count, one) => count + one[what], 0)
        const names = ['gaps', 'duplicates', 'repeated', 'differences', 'retries'] as const
        faults = Object.fromEntries(names.map((name) => [name, sum(name)])) as typeof faults
      }
      const none = { of: 'ours', most: 0 } as const
      return [
        {
          what: `until ${(share * processes).toLocaleString('en')} sockets are back and resumed`,
          unit: 's',
          ours: seconds,
          bar: { of: 'ours', most: 15 },
          note: `${shares.at(-1)}, on the cores of this machine; ${faults.retries} had to come again`,
        },
        {
          what: 'event loop late meanwhile, p99',
          unit: 'ms',
          ours: lags,
          bar: { of: 'ours', most: 250 },
          note: `in each round ${lags.map(whole).join(', ')} ms, at the most ${longest.map(whole).join(', ')} ms`,
        },
        { what: `gaps in ${share * processes * rounds} resumes`, unit: '', ours: [faults.gaps], bar: none },
        {
          what: 'events twice',
          unit: '',
          ours: [faults.duplicates],
          bar: none,
          note: `${faults.repeated} were sent words once more, which their offset shows`,
        },
        { what: `texts that differ, of ${asked} that were cut in mid-stream`, unit: '', ours: [faults.differences], bar: none },
      ]
    } finally {
      await fleet?.close()
      await Promise.all([double, ...clients].map((worker) => worker.close()))
      await ground.close()
    }
  },
}
