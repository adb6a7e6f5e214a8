import type { Database } from './database.ts'

type Home = Pick<Database, 'sql'>

/** How many actors live in each shard, of all tenants. Reads an index of them all: for an operator, not for a loop. */
export async function shardCounts({ sql }: Home): Promise<Map<number, number>> {
  const rows = await sql<{ shard: number; actors: number }[]>`select shard, actors from count_by_shard()`
  return new Map(rows.map(({ shard, actors }) => [shard, actors]))
}

/** Where an actor of any tenant lives; undefined: nobody has begun it. */
export async function shardOfActor({ sql }: Home, actor: string): Promise<number | undefined> {
  const [row] = await sql<{ shard: number | null }[]>`select shard_of_actor(${actor}) as shard`
  return row?.shard ?? undefined
}
