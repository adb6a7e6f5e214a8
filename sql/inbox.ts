import type { Database } from './database.ts'
import { asTenant } from './tenant.ts'

interface Place {
  tenant: string
  actor: string
  shard: number
}

/** What became of an event that is to be kept. */
export type Kept = 'kept' | 'waiting' | 'applied' | 'full'

/** Keeps an event for whoever has its actor, unless so many wait for it already. */
export async function keepEnvelope(
  { sql }: Database,
  { tenant, actor, shard }: Place,
  dedup: string,
  kept: object,
  most: number,
): Promise<Kept> {
  const [row] = await sql<[{ outcome: Kept }]>`
    select keep_envelope(${tenant}, ${actor}, ${shard}, ${dedup}, ${sql.json(kept as never)}, ${most}) as outcome
  `
  return row.outcome
}

/** Actors of these shards for whom something waits, of all tenants. */
export const waitingActors = ({ sql }: Database, held: number[], most: number) =>
  sql<{ tenant: string; actor: string }[]>`select tenant_id as tenant, actor from waiting_actors(${held}, ${most})`

/** What waits for one actor, in the order in which it came. */
export const waitingFor = ({ sql }: Database, { tenant, actor, shard }: Place, most: number) =>
  sql<{ dedup: string; kept: object }[]>`
    select dedup_key as dedup, envelope as kept from waiting_for(${tenant}, ${actor}, ${shard}, ${most})
  `

/** Undefined: it is not here, because it was never kept, was refused, or was set aside. */
export async function fateOf({ sql }: Database, tenant: string, actor: string, dedup: string): Promise<'waiting' | 'applied' | undefined> {
  const [row] = await sql<[{ fate: 'waiting' | 'applied' | null }]>`select fate_of(${tenant}, ${actor}, ${dedup}) as fate`
  return row.fate ?? undefined
}

/** The actor does not take it: whoever sent it may send it again under the same key. */
export async function dropEnvelope({ sql }: Database, tenant: string, actor: string, dedup: string): Promise<void> {
  await sql`select drop_envelope(${tenant}, ${actor}, ${dedup})`
}

/** What the event says, without the characters that the store cannot hold: it may be set aside for the very reason that it has some. */
const storable = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value, (_, part) => (typeof part === 'string' ? part.replaceAll('\0', '\uFFFD').toWellFormed() : part)))

/** Sets an event aside for an operator, and takes it out of the way in the same transaction: a timer would ring again for ever. */
export async function bury(
  db: Database,
  letter: { tenant: string; actor: string; dedup: string | null; envelope: object; error: string },
): Promise<void> {
  const { tenant, actor, dedup } = letter
  const [envelope, error] = storable([letter.envelope, letter.error]) as [object, string]
  await asTenant(db, tenant, async (sql) => {
    await sql`
      insert into dead_letters (tenant_id, actor, dedup_key, envelope, error)
      values (${tenant}, ${actor}, ${dedup}, ${sql.json(envelope as never)}, ${error})
    `
    if ('timer' in envelope) await sql`delete from timers where actor = ${actor} and id = ${envelope.timer as string}`
    if (dedup !== null) await sql`delete from inbox where actor = ${actor} and dedup_key = ${dedup} and applied_version is null`
  })
}
