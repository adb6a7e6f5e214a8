import type { Database } from './database.ts'

export interface Due {
  tenant: string
  actor: string
  id: string
}

/** The oldest that are due, and when the first comes due that is not, in milliseconds since 1970. */
export interface Timers {
  due: Due[]
  next: number | undefined
}

/** In these shards, null for every one; at most so many that are due. */
export async function lookForTimers({ sql }: Database, until: number, most: number, held: number[] | null): Promise<Timers> {
  if (held?.length === 0) return { due: [], next: undefined } // or every timer of the others would be read to find that out
  const rows = await sql<(Due & { later: number | null })[]>`
    select tenant_id as tenant, actor, id, (extract(epoch from later) * 1000)::float8 as later
    from look_for_timers(to_timestamp(${until / 1000}), ${most}, ${held})
  `
  const due = rows.filter(({ later }) => later === null).map(({ tenant, actor, id }) => ({ tenant, actor, id }))
  return { due, next: rows.find(({ later }) => later !== null)?.later ?? undefined }
}
