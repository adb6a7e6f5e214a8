/** Which nodes live. A living node holds an advisory lock on a connection of its own; the kernel lets it go with the process. */
import type { Database } from './database.ts'

/** A number that stands for the node's name among advisory locks: FNV-1a, 52 bits so that it stays a safe integer. */
export function lockKey(name: string): number {
  let hash = 0xcbf29ce484222325n
  for (const byte of new TextEncoder().encode(`nexus:${name}`)) hash = ((hash ^ BigInt(byte)) * 0x100000001b3n) & 0xffffffffffffffffn
  return Number(hash >> 12n)
}

/** Enters the node and returns whether nobody else lives under its name. `presence` has one connection: the lock lives as long as it does. */
export async function enterNode({ sql }: Pick<Database, 'sql'>, presence: Pick<Database, 'sql'>, node: string): Promise<boolean> {
  const key = lockKey(node)
  const [row] = await presence.sql<{ got: boolean }[]>`select pg_try_advisory_lock(${key}) as got`
  if (!row?.got) return false
  await sql`
    insert into nodes (node, lock_key) values (${node}, ${key})
    on conflict (node) do update set started_at = now()
  `
  return true
}

/** Names whose work stays behind without a process: those whose lock nobody holds. Each is looked at and let go at once. */
export async function goneNodes({ sql }: Pick<Database, 'sql'>, me: string): Promise<string[]> {
  const rows = await sql<{ node: string; free: boolean }[]>`
    select node, pg_try_advisory_xact_lock(lock_key) as free from nodes where node <> ${me}
  `
  return rows.filter(({ free }) => free).map(({ node }) => node)
}

export async function leaveNode({ sql }: Pick<Database, 'sql'>, node: string): Promise<void> {
  await sql`delete from nodes where node = ${node} and pg_try_advisory_xact_lock(lock_key)`
}
