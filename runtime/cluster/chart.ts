/** The map of the cluster as one look has shown it, and what follows from it for one node. Pure. */
import type { Beat, StoredNode } from '../../sql/cluster.ts'
import { type Candidate, heirOf } from './shards.ts'

export interface Chart {
  nodes: StoredNode[]
  /** By shard. */
  epochs: number[]
  /** By shard: the life of its owner; '' or that of nobody: it is free. */
  lives: string[]
  /** The newest versions of machines that are stored in a shard. */
  machines: Record<number, Record<string, number>>
  /** The shards of jobs that must run once, by name. */
  jobs: Record<string, number>
}

export const emptyChart = (): Chart => ({ nodes: [], epochs: [], lives: [], machines: {}, jobs: {} })

export const chartOf = ({ nodes, epochs, lives, machines, jobs }: Beat): Chart => ({ nodes, epochs, lives, machines, jobs })

/** The newer of two for each shard: what a letter has told may be younger than what a look has read. */
export function newest(known: Chart, read: Chart): Chart {
  const epochs = [...read.epochs]
  const lives = [...read.lives]
  for (const [shard, epoch] of known.epochs.entries()) {
    // A letter that came before the first look knows of some shards only, and of the others nothing.
    if (!(epoch > (epochs[shard] ?? -1))) continue
    epochs[shard] = epoch
    lives[shard] = known.lives[shard] as string
  }
  return { ...read, epochs, lives }
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

export interface Plan {
  /** Free, and ours by right. */
  claim: { shard: number; epoch: number }[]
  /** Ours, and somebody else's by right. */
  give: { shard: number; to: string }[]
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
  const heirs = heirsOf(chart, candidatesOf(chart.nodes, lease))
  const plan: Plan = { claim: [], give: [] }
  for (const [shard, owner] of chart.lives.entries()) {
    const heir = heirs[shard]
    if (!heir) continue
    if (owner === life) {
      if (heir.life !== life) plan.give.push({ shard, to: heir.life })
    } else if (heir.life === life && !living.has(owner)) plan.claim.push({ shard, epoch: chart.epochs[shard] as number })
  }
  return plan
}

/** Whom this node watches: the next in the ring of names, so that everybody is watched by somebody. */
export function neighbourOf(node: string, nodes: readonly StoredNode[]): StoredNode | undefined {
  const others = nodes.filter((other) => other.node !== node).sort((one, two) => (one.node < two.node ? -1 : 1))
  return others.find((other) => other.node > node) ?? others[0]
}
