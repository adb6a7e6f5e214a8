import type postgres from 'postgres'
import { heirOf } from '../../runtime/cluster/shards.ts'

/**
 * Whether every shard is where it stays as long as just these nodes of one program live. That each of them has some is not enough: shards
 * move in portions, and a reply that is moved in mid-sentence is said to its end by the node that had it before.
 */
export async function isSettled(sql: postgres.Sql, nodes: readonly string[]): Promise<boolean> {
  const candidates = nodes.map((node) => ({ node, life: node, machines: {} }))
  const rows = await sql<{ shard: number; node: string | null }[]>`
    select s.shard, n.node from shards s left join nodes n on n.life = s.life where s.name is null
  `
  return rows.length > 0 && rows.every(({ shard, node }) => node === heirOf(shard, candidates)?.node)
}
