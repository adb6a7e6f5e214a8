/**
 * Nodes, and which of them has which shard. 011_cluster.sql says what each statement promises, and the newest file that has it again
 * how it holds.
 */
import type { Database } from './database.ts'
import type { Doer } from './effects.ts'

type Home = Pick<Database, 'sql'>

export interface ClusterFacts {
  id: string
  /** Signs letters between nodes: whoever can read the database may write them. */
  secret: string
  shards: number
}

/** What all nodes share. */
export async function readFacts({ sql }: Home): Promise<ClusterFacts> {
  const [facts] = await sql<[ClusterFacts]>`select id, secret, shards from cluster`
  return facts
}

/** A number that stands for the node's name among advisory locks: FNV-1a, 52 bits so that it stays a safe integer. */
export function lockKey(name: string): number {
  let hash = 0xcbf29ce484222325n
  for (const byte of new TextEncoder().encode(`nexus:${name}`)) hash = ((hash ^ BigInt(byte)) * 0x100000001b3n) & 0xffffffffffffffffn
  return Number(hash >> 12n)
}

/** Takes the lock that says that the node lives, for as long as this connection does. False: somebody else has it. */
export async function holdLock({ sql }: Home, key: number): Promise<boolean> {
  const [row] = await sql<[{ got: boolean }]>`select pg_try_advisory_lock(${key}) as got`
  return row.got
}

/** Resolves once nobody holds the lock of this number: its process is gone, or its connection is. The session must be patient. */
export async function awaitLock({ sql }: Home, key: number): Promise<void> {
  // A transaction of its own: the server lets the lock go at once, also where nobody is left to tell it to.
  await sql`select pg_advisory_xact_lock(${key})`
}

export interface Entry {
  node: string
  life: string
  machines: Record<string, number>
  version: string
  url: string | undefined
  /** The name of this process's connections. */
  application: string
  /** False where locks tell nothing: only a lease that has run out frees the name then. */
  hasLock: boolean
  /** Milliseconds. */
  lease: number
}

const span = (ms: number) => `${ms} milliseconds`

/** False: another process lives under this name. */
export async function enterNode(
  { sql }: Home,
  { node, life, machines, version, url, application, hasLock, lease }: Entry,
): Promise<boolean> {
  const [row] = await sql<[{ outcome: string }]>`
    select enter_node(
      ${node}, ${life}, ${lockKey(node)}, ${sql.json(machines)}, ${version}, ${url ?? null}, ${application}, ${hasLock}, ${span(lease)}::interval
    ) as outcome
  `
  return row.outcome === 'entered'
}

/** Whoever has this name, dead or alive. */
export async function lifeOf({ sql }: Home, node: string): Promise<string | undefined> {
  const [row] = await sql<{ life: string }[]>`select life from nodes where node = ${node}`
  return row?.life
}

export interface StoredNode {
  node: string
  life: string
  draining: boolean
  machines: Record<string, number>
  version: string
  url: string | null
  /** Of its lock. */
  key: number
  /** Milliseconds since its last beat, by the store's clock. */
  age: number
}

export interface Beat {
  /** Whether the lease was renewed. */
  alive: boolean
  /** Milliseconds since 1970, by the store's clock. */
  now: number
  /** Whether the lock that was asked for is ours. */
  hasLock: boolean | null
  nodes: StoredNode[]
  /** Of the map. */
  fingerprint: string
  /** Undefined: it is the one that was seen. */
  map: ShardMap | undefined
}

export interface ShardMap {
  /** By shard. */
  epochs: number[]
  /** By shard: the life of its owner, or ''. */
  lives: string[]
  /** The newest versions of machines stored there, of shards that have any. */
  machines: Record<number, Record<string, number>>
  /** The shards of jobs, by name. */
  jobs: Record<string, number>
}

interface Beating {
  life: string
  /** Milliseconds: a lease whose last beat is older is not renewed. */
  oldest: number
  /** The fingerprint of the map that is known already. */
  seen?: string
  /** A lock to take, or to keep, by the way. */
  lock?: number | undefined
}

/** Renews the lease and reads the map of the cluster. */
export async function beatNode({ sql }: Home, { life, oldest, seen = '', lock }: Beating): Promise<Beat> {
  const [row] = await sql<[Omit<Beat, 'map'> & { [K in keyof ShardMap]: ShardMap[K] | null }]>`
    select alive, now, pg_try_advisory_lock(${lock ?? null}) as "hasLock", nodes, fingerprint, epochs, lives, machines, jobs
    from beat_node(${life}, ${span(oldest)}::interval, ${seen})
  `
  const { epochs, lives, machines, jobs, ...beat } = row
  const map = epochs && lives ? { epochs, lives, machines: machines ?? {}, jobs: jobs ?? {} } : undefined
  return { ...beat, nodes: row.nodes ?? [], map }
}

/** Declares a life over. False: it is not. */
export async function buryNode({ sql }: Home, life: string, by: 'lock' | 'lease', lease: number): Promise<boolean> {
  const [row] = await sql<[{ buried: boolean }]>`select bury_node(${life}, ${by === 'lock'}, ${span(lease)}::interval) as buried`
  return row.buried
}

export interface Claimed {
  shard: number
  epoch: number
}

/** Gives shards that stand where they were seen, and whose owner lives no more, to heirs who live; answers those that have moved. */
export const claimShards = ({ sql }: Home, wanted: (Claimed & { to: string })[]) =>
  sql<(Claimed & { life: string })[]>`
    select shard, epoch, life from claim_shards(
      ${wanted.map(({ shard }) => shard)}, ${wanted.map(({ epoch }) => epoch)}, ${wanted.map(({ to }) => to)}
    )
  `

/** Gives shards away; answers whose they are now, '' where the heir lives no more. */
export const handOverShards = ({ sql }: Home, given: { shard: number; to: string }[], life: string) =>
  sql<(Claimed & { life: string })[]>`
    select shard, epoch, life from hand_over_shards(${given.map(({ shard }) => shard)}, ${given.map(({ to }) => to)}, ${life})
  `

/** Takes nothing more and gives away what it has, or takes its share again; false where no such node lives. */
export async function drainNode({ sql }: Home, node: string, draining = true): Promise<boolean> {
  const rows = await sql`update nodes set draining = ${draining} where node = ${node} returning node`
  return rows.length > 0
}

/** Gives a job a shard of its own, once. */
export async function nameJob({ sql }: Home, name: string): Promise<void> {
  await sql`select name_job(${name})`
}

export async function leaveNode({ sql }: Home, life: string): Promise<void> {
  await sql`select leave_node(${life})`
}

/** The only node that there can be: all lives before are over. Answers the epochs of all shards. */
export async function aloneIn({ sql }: Home, { node, life }: Doer): Promise<number[]> {
  await sql`delete from nodes`
  await sql`insert into nodes (node, life, lock_key, machines, version) values (${node}, ${life}, 0, '{}', '')`
  const [row] = await sql<[{ epochs: number[] }]>`select array_agg(epoch order by shard) as epochs from shards where name is null`
  return row.epochs
}
