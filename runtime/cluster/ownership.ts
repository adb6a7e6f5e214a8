/** Which actors this node may move. The store has the last word: a commit under an epoch that is over is refused there. */
import { type ClusterFacts, readFacts } from '../../sql/cluster.ts'
import type { Database } from '../../sql/database.ts'
import type { Doer } from '../../sql/effects.ts'
import type { Job } from './jobs.ts'
import { SHARDS } from './shards.ts'

export interface Held {
  shard: number
  epoch: number
}

export interface Ownership {
  /** This life begins; whatever is ours may be moved from now on. */
  open(): Promise<void>
  /** One life of this node. */
  readonly me: Doer
  /** How many there are for actors; behind them come those of jobs. */
  readonly shards: number
  /** Where an actor lives. */
  shardOf(actor: string): number
  /** Jobs end. */
  close(): void
  /** The epoch under which actors of this shard may be moved here and now; undefined: they are not ours to move. */
  epochOf(shard: number): number | undefined
  /** The epoch under which we speak for this shard: also while the last steps of one that is given away come to their end. */
  voiceOf(shard: number): number | undefined
  /** Everything that is ours now. */
  held(): Held[]
  /** Begins this work here or wherever its shard is, and nowhere twice. */
  job(name: string, job: Job): void
  /** The store says that somebody else has this shard: resolves when the map was read anew. Never throws. */
  ousted(shard: number): Promise<void>
}

/**
 * Those of actors, as the store is asked about them; null: all of these. Shards of jobs are left out: with them a node that lacks some of
 * the others would look like one that has all.
 */
export function actorShards({ held, shards }: Pick<Ownership, 'held' | 'shards'>): number[] | null {
  const places = held()
    .map(({ shard }) => shard)
    .filter((shard) => shard < shards)
  return places.length === shards ? null : places
}

/** Refuses a store that was laid out for another number of shards: every actor would be looked for in the wrong place. */
export async function openFacts(db: Pick<Database, 'sql'>, shards = SHARDS): Promise<ClusterFacts> {
  const facts = await readFacts(db)
  if (facts.shards !== shards)
    throw new Error(`The database was laid out for ${facts.shards} shards and this program has ${shards}; the number cannot be changed.`)
  return facts
}
