/** A million conversations at rest: what one costs that wakes up, and that no statement of a step reads more because of all the others. */
import { plansIn } from './asleep.plans.ts'
import { type Benchmark, quantile, type Row } from './bench.ts'
import { type Ground, freshGround, startFleet } from './fleet.ts'
import { populate, restingName } from './fleet.past.ts'
import { startWorker, type Worker } from './worker.ts'

const MANY = 1_000_000
const FEW = 20_000
const PER_SECOND = 20

export const asleep: Benchmark = {
  name: 'asleep',
  about: 'a message to one of a million conversations at rest, until its step is committed; bare: the next one to the same conversation',
  needsServer: true,
  async run({ short, databaseUrl }) {
    const [few, many] = short ? [1_000, FEW] : [FEW, MANY]
    const ground = await freshGround(databaseUrl as string)
    try {
      await populate(ground, few)
      const small = await plansIn(ground, few, 'few')
      await populate(ground, many, few)
      const large = await plansIn(ground, many, 'many')
      const woken = await wake(ground, many, short)
      const count = (conversations: number) => conversations.toLocaleString('en')
      const plans = [...large].map(
        ([name, plan]): Row => ({
          what: `pages: ${name}`,
          unit: '',
          ours: [plan.pages],
          bare: [small.get(name)?.pages ?? Number.NaN],
          bar: { of: 'ratio', most: 2 }, // a tree of keys is a level or two deeper
          note: [`ours at ${count(many)} conversations, bare at ${count(few)}`, plan.ways.join(', '), thrown(plan.removed)]
            .filter(Boolean)
            .join('; '),
        }),
      )
      const scans = [...large].flatMap(([name, { scanned }]) => scanned.map((table) => `${name} reads all of ${table}`))
      const scanning: Row = {
        what: 'tables read from end to end',
        unit: '',
        ours: [scans.length],
        bar: { of: 'ours', most: 0 },
        ...(scans.length > 0 && { note: scans.join(', ') }),
      }
      return [...woken, ...plans, scanning]
    } finally {
      await ground.close()
    }
  },
}

const thrown = (rows: number) => (rows > 0 ? `${rows} rows read and thrown away` : '')

async function wake(ground: Ground, many: number, short: boolean): Promise<Row[]> {
  const began = performance.now()
  const fleet = await startFleet(ground, import.meta.resolve('./fleet.server.ts'), 1, { OFFLINE_PACE: '0' })
  const started = performance.now() - began
  const clients = startWorker(import.meta.resolve('./asleep.clients.ts'))
  try {
    await clients.ask('come', await (fleet.nodes[0] as Worker).ask('url'))
    const [rounds, each] = short ? [1, 40] : [5, 240]
    // Everybody once, so that nobody is at hand: a stride that shares no factor with their number.
    const stride = Math.floor(many * 0.618) | 1
    let next = 0
    const strangers = () => Array.from({ length: each }, () => restingName(((next++ * stride) % many) as number))
    const cold: number[][] = []
    const warm: number[][] = []
    for (let round = -1; round < rounds; round++) {
      const conversations = strangers()
      const first = await clients.ask<number[]>('say', { conversations, perSecond: PER_SECOND })
      const second = await clients.ask<number[]>('say', { conversations, perSecond: PER_SECOND })
      if (round < 0) continue
      cold.push(first)
      warm.push(second)
    }
    const at = (p: number) => ({ ours: cold.map((all) => quantile(all, p)), bare: warm.map((all) => quantile(all, p)) })
    return [
      { what: 'woken, p50', unit: 'ms', ...at(0.5) },
      {
        what: 'woken, p99',
        unit: 'ms',
        ...at(0.99),
        bar: { of: 'ours', most: 20 },
        note: `${rounds * each} messages at ${PER_SECOND} a second`,
      },
      { what: 'start of a node, processes included', unit: 'ms', ours: [started] },
    ]
  } finally {
    await Promise.all([fleet.close(), clients.close()])
  }
}
