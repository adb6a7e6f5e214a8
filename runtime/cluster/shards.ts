/** Where an actor lives, and which node should have that place. Pure: every node that sees the same nodes says the same. */

/** As this program lays a store out. Fixed from then on: an actor's shard stands in its row. */
export const SHARDS = 1024

/** FNV-1a over UTF-16 units. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash >>> 0
}

/** Where an actor lives among so many shards. */
export const shardAmong = (actor: string, shards: number): number => hashOf(actor) % shards
/** Where it lives in every store that this program opens. */
export const shardOf = (actor: string): number => shardAmong(actor, SHARDS)

/** The last steps of MurmurHash3, which spread every bit over all others; FNV alone would give neighbours the same nodes. */
function mixed(hash: number): number {
  let h = hash
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

export interface Candidate {
  node: string
  life: string
  machines: Record<string, number>
}

/** Whether a node knows everything that is stored somewhere. */
export const knows = (machines: Record<string, number>, stored: Record<string, number>): boolean =>
  Object.entries(stored).every(([kind, version]) => (machines[kind] ?? 0) >= version)

/**
 * Rendezvous hashing (Thaler and Ravishankar, 1996): of all nodes that know what is stored there, the one with the highest hash of
 * node and shard. A node that comes or goes moves its own share and no other. Undefined where nobody can have it.
 */
export function heirOf(shard: number, nodes: readonly Candidate[], stored: Record<string, number> = {}): Candidate | undefined {
  let heir: Candidate | undefined
  let best = -1
  for (const candidate of nodes) {
    if (!knows(candidate.machines, stored)) continue
    const weight = mixed(hashOf(candidate.node) ^ Math.imul(shard + 1, 0x9e3779b1))
    // Two of the same weight are told apart by name, so that all nodes agree.
    if (weight < best || (weight === best && heir && heir.node < candidate.node)) continue
    heir = candidate
    best = weight
  }
  return heir
}
