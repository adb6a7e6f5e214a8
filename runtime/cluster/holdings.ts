/**
 * What lives where, as far as this node knows, and what of it is ours. Whatever shows that something has moved comes here, and from here
 * everybody who has to act on it is told once.
 */
import type { ShardMap, StoredNode } from '../../sql/cluster.ts'
import { type Chart, type Move, emptyChart, moved, newest } from './chart.ts'
import type { createJobs } from './jobs.ts'
import type { Held } from './ownership.ts'

export interface Holdings {
  chart(): Chart
  ownerOf(shard: number): StoredNode | undefined
  /** The epoch under which a shard of ours may be moved on; undefined: it is not ours, or about to be given away. */
  epochOf(shard: number): number | undefined
  /** The epoch of a shard that is ours, also while it is given away. */
  voiceOf(shard: number): number | undefined
  /** Everything that is ours and stays. */
  held(): Held[]
  count(): number
  /** Begins a look: what is heard of from now on may be younger than what it shows. True: something has been heard of since the last. */
  look(): boolean
  /** What it has shown; without a map nothing has moved since the look before. */
  read(nodes: StoredNode[], map: ShardMap | undefined): void
  /** These have moved. Answers which of them were news. */
  move(moves: readonly Move[]): Move[]
  /** Nothing of these shards is begun until they are let go. Answers what runs there and has to end first. */
  hold(shards: ReadonlySet<number>): Promise<void>[]
  /** True: some of them are still ours. */
  letGo(shards: ReadonlySet<number>): boolean
  /** Nothing is ours any more. Answers what was. */
  giveUp(): Set<number>
}

interface Needs {
  /** Of our own life; undefined while we have none. */
  life(): string | undefined
  jobs: Pick<ReturnType<typeof createJobs>, 'start' | 'stop' | 'stopAll'>
  on: {
    lost(shards: ReadonlySet<number>): void
    gained(shards: ReadonlySet<number>): void
    charted(chart: Chart): void
  }
}

export function createHoldings({ life, jobs, on }: Needs): Holdings {
  let chart = emptyChart()
  let ours = new Map<number, number>()
  const moving = new Set<number>()
  /** Shards that were heard of since the last look began. */
  let heard = new Set<number>()

  const jobsIn = (shards: { has(shard: number): boolean }) =>
    Object.entries(chart.jobs).flatMap(([name, shard]) => (shards.has(shard) ? [name] : []))

  /** Whatever runs already goes on; what has ended for an heir is not begun again. */
  function begin() {
    for (const name of jobsIn({ has: (shard) => ours.has(shard) && !moving.has(shard) })) jobs.start(name)
  }

  /** Takes a chart for true, and whatever follows for what is ours. */
  function redraw(next: Chart) {
    chart = next
    const me = life()
    const now = new Map<number, number>()
    for (const [shard, owner] of chart.lives.entries()) if (owner === me) now.set(shard, chart.epochs[shard] as number)
    const lost = new Set([...ours].filter(([shard, epoch]) => now.get(shard) !== epoch).map(([shard]) => shard))
    const gained = new Set([...now].filter(([shard, epoch]) => ours.get(shard) !== epoch).map(([shard]) => shard))
    ours = now
    for (const shard of lost) moving.delete(shard)
    for (const name of jobsIn(lost)) void jobs.stop(name)
    if (lost.size > 0) on.lost(lost)
    on.charted(chart)
    begin()
    if (gained.size > 0) on.gained(gained)
  }

  return {
    chart: () => chart,
    ownerOf: (shard) => chart.nodes.find((node) => node.life === chart.lives[shard]),
    epochOf: (shard) => (moving.has(shard) ? undefined : ours.get(shard)),
    voiceOf: (shard) => ours.get(shard),
    held: () => [...ours].filter(([shard]) => !moving.has(shard)).map(([shard, epoch]) => ({ shard, epoch })),
    count: () => ours.size,
    look() {
      const any = heard.size > 0
      heard = new Set()
      return any
    },
    read: (nodes, map) => redraw(map ? newest(chart, nodes, map, (shard) => heard.has(shard)) : { ...chart, nodes }),
    move(moves) {
      const next = { ...chart, epochs: [...chart.epochs], lives: [...chart.lives] }
      const news = moved(next, moves)
      for (const { shard } of news) heard.add(shard)
      if (news.length > 0) redraw(next)
      return news
    },
    hold(shards) {
      for (const shard of shards) moving.add(shard)
      return jobsIn(shards).map((name) => jobs.stop(name))
    },
    letGo(shards) {
      for (const shard of shards) moving.delete(shard)
      begin()
      return [...shards].some((shard) => ours.has(shard))
    },
    giveUp() {
      const had = new Set(ours.keys())
      ours = new Map()
      moving.clear()
      jobs.stopAll()
      return had
    },
  }
}
