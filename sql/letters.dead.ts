/** What was set aside after its third failure, for an operator who looks at all tenants. */
import type { Database } from './database.ts'
import { readAsTenant } from './tenant.ts'

type Home = Pick<Database, 'sql'>

export interface DeadLetter {
  id: number
  tenant: string
  actor: string
  /** The event; with the birth of its actor where it should have brought it into the world. */
  envelope: object
  error: string
  /** Milliseconds since 1970. */
  at: number
}

/** The newest first. */
export const listDeadLetters = ({ sql }: Home, most: number) =>
  sql<DeadLetter[]>`
    select id, tenant_id as tenant, actor, envelope, error, extract(epoch from at)::float8 * 1000 as at from list_dead_letters(${most})
  `

/** Those of one tenant, the newest first. */
export const deadLettersOf = (db: Home, tenant: string, most: number) =>
  readAsTenant(
    db,
    tenant,
    (sql) => sql<DeadLetter[]>`
      select id, tenant_id as tenant, actor, envelope, error, extract(epoch from at)::float8 * 1000 as at
      from dead_letters order by id desc limit ${most}
    `,
  )

/** What happened that nobody could take in: the type of the event, or what else it was. */
export const kindOf = ({ envelope }: DeadLetter): string =>
  (envelope as { event?: { type: string } }).event?.type ?? Object.keys(envelope)[0] ?? ''

/** Back into the inbox of their actors; answers those that were there. */
export const retryDeadLetters = ({ sql }: Home, letters: { id: number; shard: number }[]) =>
  sql<{ id: number }[]>`
    select id from retry_dead_letters(${letters.map(({ id }) => id)}::bigint[], ${letters.map(({ shard }) => shard)}::smallint[])
  `

export const dropDeadLetters = ({ sql }: Home, ids: number[]) => sql<{ id: number }[]>`select id from drop_dead_letters(${ids}::bigint[])`
