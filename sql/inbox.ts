import type { Database } from './database.ts'
import { asTenant, readAsTenant } from './tenant.ts'

export interface Waiting {
  tenant: string
  actor: string
  dedup: string
}

/** Keeps an event that cannot be applied here and now. False means that we had it already. */
export async function keepEnvelope(db: Database, tenant: string, actor: string, dedup: string, kept: object): Promise<boolean> {
  const rows = await readAsTenant(
    db,
    tenant,
    (sql) => sql`
      insert into inbox (tenant_id, actor, dedup_key, envelope)
      values (${tenant}, ${actor}, ${dedup}, ${sql.json(kept as never)})
      on conflict do nothing
      returning seq
    `,
  )
  return rows.length === 1
}

/** Accepted and not yet applied, oldest first, of all tenants. */
export const waitingEnvelopes = ({ sql }: Database, most: number) =>
  sql<Waiting[]>`
    select tenant_id as tenant, actor, dedup_key as dedup from waiting_envelopes(${most})
  `

export async function readEnvelope(db: Database, { tenant, actor, dedup }: Waiting): Promise<object | undefined> {
  const [row] = await readAsTenant(
    db,
    tenant,
    (sql) => sql<{ kept: object }[]>`
      select envelope as kept from inbox where actor = ${actor} and dedup_key = ${dedup} and applied_version is null
    `,
  )
  return row?.kept
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
