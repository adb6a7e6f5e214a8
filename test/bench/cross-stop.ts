/** Somebody says stop at one node, the conversation lives at another, and the model is called there or at a third. */
import { drainNode } from '../../sql/cluster.ts'
import { until } from '../support/until.ts'
import { type Benchmark, quantile, type Row } from './bench.ts'
import { type Fleet, type Ground, freshGround, startFleet } from './fleet.ts'
import { startWorker, type Worker } from './worker.ts'

/** Stops in one round. */
const STOPS = 50
/** Conversations that one socket may have joined at once are a hundred. */
const MOST = 90

export const crossStop: Benchmark = {
  name: 'cross-stop',
  about: 'from reply.stop at node B, of a conversation that lives at A, until the socket of the model service is closed',
  needsServer: true,
  async run({ short, databaseUrl, redisUrl }) {
    const rows: Row[] = []
    for (const redis of redisUrl ? [redisUrl, undefined] : [undefined]) rows.push(...(await stopped(databaseUrl as string, redis, short)))
    return rows
  },
}

async function stopped(databaseUrl: string, redisUrl: string | undefined, short: boolean): Promise<Row[]> {
  const ground = await freshGround(databaseUrl)
  const double = startWorker(import.meta.resolve('./cross-stop.double.ts'))
  const clients = startWorker(import.meta.resolve('./cross-stop.clients.ts'))
  let fleet: Fleet | undefined
  try {
    const settings = { ...(await double.ask<Record<string, string>>('settings')), ...(redisUrl && { REDIS_URL: redisUrl }) }
    fleet = await startFleet(ground, import.meta.resolve('./fleet.server.ts'), 3, settings)
    await clients.ask('come', await (fleet.nodes[1] as Worker).ask('url'))
    const by = redisUrl ? 'Redis' : 'NOTIFY'
    const ask = async (conversation: string) => {
      const mark = `mark-${crypto.randomUUID()}`
      await clients.ask('ask', { conversation, mark })
      return { conversation, mark }
    }
    const stop = async ({ conversation, mark }: { conversation: string; mark: string }) => {
      const { said, stopped } = await clients.ask<{ said: number; stopped: boolean }>('stop', conversation)
      let ended: number | undefined
      await until(async () => (ended = await double.ask<number | undefined>('hungUp', mark)), 'the end of the call', 10_000)
      return { ms: ((ended as number) - said) / 1000, isKnown: stopped }
    }

    const rounds = short ? 1 : 4
    const each = short ? 10 : STOPS
    const atOwner: Stopped[][] = []
    for (let round = -1; round < rounds; round++) {
      const took: Stopped[] = []
      for (let at = 0; at < (round < 0 ? 5 : each); at++) took.push(await stop(await ask(fleet.conversationAt(0))))
      if (round >= 0) atOwner.push(took)
    }
    const [meanwhile, ...after] = await afterHandOver(ground, fleet, each, ask, stop)
    return [
      ...told(`${by}: the call is at A`, atOwner),
      ...told(`${by}: the call is at C, which has given it to A`, [after]),
      {
        what: `${by}: said while A still takes over`,
        unit: 'ms',
        ours: [(meanwhile as Stopped).ms],
        // What a hand-over may hold up.
        bar: { of: 'ours', most: 300 },
        note: `one stop; A fetches ${after.length + 1} conversations meanwhile`,
      },
    ]
  } finally {
    await fleet?.close()
    await Promise.all([double.close(), clients.close()])
    await ground.close()
  }
}

interface Stopped {
  ms: number
  /** The answer said that something was stopped. */
  isKnown: boolean
}

interface Asked {
  conversation: string
  mark: string
}

/** C begins to answer and gives everything away; the calls go on there. The first stop comes while their actors are still fetched. */
async function afterHandOver(
  ground: Ground,
  fleet: Fleet,
  each: number,
  ask: (conversation: string) => Promise<Asked>,
  stop: (asked: Asked) => Promise<Stopped>,
): Promise<Stopped[]> {
  const begun: Asked[] = []
  // About half of them will live at A.
  for (let at = 0; at < Math.min(MOST, 2 * each + 4); at++) begun.push(await ask(fleet.conversationAt(2)))
  await drainNode(ground, 'bench-2')
  await until(
    async () => {
      await fleet.chart()
      return begun.every(({ conversation }) => fleet.ownerOf(conversation) < 2)
    },
    'the hand-over',
    30_000,
  )
  const took: Stopped[] = []
  for (const asked of begun) if (fleet.ownerOf(asked.conversation) === 0) took.push(await stop(asked))
  return took
}

function told(what: string, rounds: Stopped[][]): Row[] {
  const all = rounds.flat()
  const took = all.map(({ ms }) => ms)
  return [
    {
      what: `${what}, p50`,
      unit: 'ms',
      ours: rounds.map((round) =>
        quantile(
          round.map(({ ms }) => ms),
          0.5,
        ),
      ),
    },
    {
      what: `${what}, p99`,
      unit: 'ms',
      ours: [quantile(took, 0.99)],
      bar: { of: 'ours', most: 150 },
      note: `${all.length} stops, the longest ${Math.max(...took).toFixed(0)} ms; ${all.filter(({ isKnown }) => !isKnown).length} were answered with stopped: false`,
    },
  ]
}
