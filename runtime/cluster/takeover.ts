/**
 * How shards change hands. Whoever finds a node dead gives what it had to the heirs in the same breath, and tells them: nobody looks
 * first. Whatever nobody was told of, each finds by itself with its next look.
 */
import { buryNode, claimShards, handOverShards } from '../../sql/cluster.ts'
import type { Database } from '../../sql/database.ts'
import type { Log } from '../watch/log.ts'
import { type Bequest, type Move, bequestOf, planFor } from './chart.ts'
import type { Elsewhere } from './elsewhere.ts'
import type { Holdings } from './holdings.ts'

/** Shards in one statement: each of them is a lock. */
const PORTION = 256

interface Needs {
  lane: Pick<Database, 'sql'>
  node: string
  life(): string
  /** Milliseconds. */
  leaseTime: number
  holdings: Holdings
  isFenced(): boolean
  elsewhere: Pick<Elsewhere, 'mayRun' | 'end'>
  /** Resolves once this is over, or the time of a step is. */
  inTime(work: Promise<unknown>): Promise<unknown>
  log: Log
  on: {
    giving(shards: ReadonlySet<number>): Promise<void>
    resumed(): void
    news(moves: readonly Move[]): void
    fault(node: string, fault: 'lease ran out' | 'lock is free'): void
  }
}

export function createTakeover({ lane, node, life, leaseTime, holdings, isFenced, elsewhere, inTime, log, on }: Needs) {
  let toldOrphans = 0

  const portions = <T>(all: T[]) =>
    Array.from({ length: Math.ceil(all.length / PORTION) }, (_, n) => all.slice(n * PORTION, (n + 1) * PORTION))

  function tell(moves: readonly Move[]) {
    const news = holdings.move(moves)
    if (news.length > 0) on.news(news)
  }

  const claim = async (wanted: Bequest[]) => (await Promise.all(portions(wanted).map((some) => claimShards(lane, some)))).flat()

  /** The two go out together, and the store does the one before the other. */
  async function bury(dead: { node: string; life: string }, by: 'lock' | 'lease'): Promise<boolean> {
    const burying = buryNode(lane, dead.life, by, leaseTime).then((done) => {
      if (done) elsewhere.end(dead.life)
      return done
    })
    const claiming = claim(bequestOf(dead.life, holdings.chart(), leaseTime)).catch((): Move[] => [])
    const buried = await burying.finally(async () => tell(await claiming))
    if (buried) on.news([])
    return buried
  }

  async function giveAway(give: { shard: number; to: string }[]) {
    const shards = new Set(give.map(({ shard }) => shard))
    const ending = holdings.hold(shards)
    try {
      await inTime(Promise.all([on.giving(shards), ...ending]))
      for (const some of portions(give)) tell(await handOverShards(lane, some, life()))
      log.info({ node, shards: give.length, held: holdings.count() }, 'gave shards to others')
    } finally {
      // Where it came to nothing, what was kept for the heir is ours.
      if (holdings.letGo(shards)) on.resumed()
    }
  }

  return {
    /** Takes what is ours by right, and gives away what is not. */
    async balance() {
      const { claim: free, give, orphans } = planFor(life(), holdings.chart(), leaseTime)
      if (orphans !== toldOrphans && orphans > 0)
        log.warn(
          { node, shards: orphans },
          'no node that lives knows the machines of some shards: their conversations wait for one that does',
        )
      toldOrphans = orphans
      if (free.length > 0 && !isFenced()) {
        const got = await claim(free)
        tell(got)
        if (got.length > 0) log.info({ node, shards: got.length, held: holdings.count() }, 'took shards that had no owner')
      }
      if (give.length > 0 && !isFenced()) await giveAway(give)
    },
    /** Nobody holds the lock of this node any more. */
    async buryDead(dead: { node: string; life: string }): Promise<boolean> {
      const buried = await bury(dead, 'lock').catch(() => false)
      if (!buried) return false
      log.warn({ node: dead.node, held: holdings.count() }, 'a node is gone: nobody holds its lock any more')
      on.fault(dead.node, 'lock is free')
      return true
    },
    /** Nodes whose lease has run out. */
    async buryLate(): Promise<boolean> {
      let any = false
      for (const late of holdings.chart().nodes) {
        if (late.age <= leaseTime || late.life === life() || (await elsewhere.mayRun(late)) || !(await bury(late, 'lease'))) continue
        log.warn({ node: late.node, silent: Math.round(late.age) }, 'a node counts as gone: its lease has run out')
        on.fault(late.node, 'lease ran out')
        any = true
      }
      return any
    },
  }
}
