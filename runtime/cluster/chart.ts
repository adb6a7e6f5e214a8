/** The map of the cluster as one look has shown it, and what follows from it for one node. */
import type { ShardMap, StoredNode } from '../../sql/cluster.ts'
import { type Candidate, heirOf } from './shards.ts'

/** A shard of which its life is '' or that of nobody is free. */
export interface Chart extends ShardMap {
  nodes: StoredNode[]
}

export const emptyChart = (): Chart => ({ nodes: [], epochs: [], lives: [], machines: {}, jobs: {} })

/**
 * What a look has shown. Of the shards that were heard of while it was under way, what is newer of both. Of all others the store is
 * right, even where it says less than we know: one that has taken the place of another may have lost the last takeovers.
 */
export function newest(known: Chart, nodes: StoredNode[], map: ShardMap, isYounger: (shard: number) => boolean): Chart {
  const epochs = [...map.epochs]
  const lives = [...map.lives]
  for (const [shard, epoch] of known.epochs.entries()) {
    // A letter that came before the first look knows of some shards only, and of the others nothing.
    if (!isYounger(shard) || !(epoch > (epochs[shard] ?? -1))) continue
    epochs[shard] = epoch
    lives[shard] = known.lives[shard] as string
  }
  return { ...map, nodes, epochs, lives }
}

export interface Move {
  shard: number
  epoch: number
  /** Whose it is from then on; '': nobody's. */
  life: string
}

/** A chart on which these moves have happened; those that it knows already change nothing. Answers which were new. */
export function moved(chart: Chart, moves: readonly Move[]): Move[] {
  const news = moves.filter(({ shard, epoch }) => epoch > (chart.epochs[shard] ?? -1))
  for (const { shard, epoch, life } of news) {
    chart.epochs[shard] = epoch
    chart.lives[shard] = life
  }
  return news
}

/** A shard that stands there without an owner, and the life that is to have it. */
export interface Bequest {
  shard: number
  epoch: number
  to: string
}

export interface Plan {
  /** Free, and ours by right. */
  claim: Bequest[]
  /** Ours, and somebody else's by right. */
  give: { shard: number; to: string }[]
  /** How many nobody has, as no node that lives knows the machines in them. */
  orphans: number
}

/** Who may be given shards: whoever lives and is not on its way out. */
const candidatesOf = (nodes: readonly StoredNode[], lease: number) => nodes.filter(({ draining, age }) => !draining && age < lease)

/** Shards whose heir was looked for last time: the same nodes have the same heirs. */
let lastKey = ''
let lastHeirs: (Candidate | undefined)[] = []

function heirsOf(chart: Chart, candidates: StoredNode[]): (Candidate | undefined)[] {
  const key = JSON.stringify([candidates.map(({ life, machines }) => [life, machines]), chart.machines, chart.lives.length])
  if (key !== lastKey) {
    lastKey = key
    lastHeirs = chart.lives.map((_, shard) => heirOf(shard, candidates, chart.machines[shard]))
  }
  return lastHeirs
}

/** What this life has to do so that every shard comes to its heir. A shard that nobody can have stays where it is. */
export function planFor(life: string, chart: Chart, lease: number): Plan {
  const living = new Set(chart.nodes.map((one) => one.life))
  const candidates = candidatesOf(chart.nodes, lease)
  const heirs = heirsOf(chart, candidates)
  const plan: Plan = { claim: [], give: [], orphans: 0 }
  for (const [shard, owner] of chart.lives.entries()) {
    const heir = heirs[shard]
    if (!heir) {
      if (candidates.length > 0 && !living.has(owner)) plan.orphans++
    } else if (owner === life) {
      if (heir.life !== life) plan.give.push({ shard, to: heir.life })
    } else if (heir.life === life && !living.has(owner)) plan.claim.push({ shard, epoch: chart.epochs[shard] as number, to: life })
  }
  return plan
}

/** How many shards of actors, of so many, each node that lives has, by its name. */
export function sharesOf({ nodes, lives }: Chart, shards: number): Record<string, number> {
  const counts = new Map(nodes.map(({ life }) => [life, 0]))
  for (const life of lives.slice(0, shards)) counts.set(life, (counts.get(life) ?? 0) + 1)
  return Object.fromEntries(nodes.map(({ node, life }) => [node, counts.get(life) ?? 0]))
}

/** What comes to whom when this life is over. */
export function bequestOf(dead: string, chart: Chart, lease: number): Bequest[] {
  const left = chart.nodes.filter(({ life }) => life !== dead)
  const heirs = heirsOf(chart, candidatesOf(left, lease))
  return chart.lives.flatMap((owner, shard) => {
    const heir = owner === dead ? heirs[shard] : undefined
    return heir ? [{ shard, epoch: chart.epochs[shard] as number, to: heir.life }] : []
  })
}

/** Whom this node watches: the next in the ring of names, so that everybody is watched by somebody. */
export function neighbourOf(node: string, nodes: readonly StoredNode[]): StoredNode | undefined {
  const others = nodes.filter((other) => other.node !== node).sort((one, two) => (one.node < two.node ? -1 : 1))
  return others.find((other) => other.node > node) ?? others[0]
}
