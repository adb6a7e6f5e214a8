/** Of a fleet at rest: every shard has one owner that lives, and it is the heir by rendezvous among all who know what is stored there. */
import { heirOf } from '../../runtime/cluster/shards.ts'
import type { SimNode } from './node.ts'
import type { SimStore } from './store.ts'

/** What is not so, or nothing. */
export async function heirsAreOwners(store: SimStore, alive: readonly SimNode[]): Promise<string> {
  const nodes = await store
    .ask<{ node: string; life: string; machines: Record<string, number> }>('select node, life, machines from nodes')
    .catch(() => [])
  const lives = alive.map(({ cluster }) => cluster?.membership.me.life ?? '').sort()
  const stored = nodes.map(({ life }) => life).sort()
  if (lives.join() !== stored.join()) return `${lives.join()} live and ${stored.join()} are stored`
  const shards = await store
    .ask<{ shard: number; life: string | null; epoch: number; machines: Record<string, number> }>(
      'select shard::int, life, epoch::int, machines from shards order by shard',
    )
    .catch(() => [])
  if (shards.length === 0) return 'the store is in the middle of something'
  for (const { shard, life, machines } of shards) {
    const heir = heirOf(shard, nodes, machines)
    if (heir && heir.life !== life) return `shard ${shard} is of ${life} and should be of ${heir.life}`
  }
  const charted = new Map(alive.map((node) => [node.cluster?.membership.me.life ?? '', node.cluster?.membership]))
  for (const { shard, life, epoch } of shards)
    if (charted.get(life ?? '')?.voiceOf(shard) !== epoch) return `${life} does not know that it has shard ${shard} under epoch ${epoch}`
  return ''
}
