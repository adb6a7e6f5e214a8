import type { Database } from './database.ts'

export interface Due {
  tenant: string
  actor: string
  id: string
}

/** The oldest that are due in these shards. */
export const dueTimers = ({ sql }: Database, until: number, most: number, held: number[]) =>
  sql<Due[]>`
    select tenant_id as tenant, actor, id from due_timers(to_timestamp(${until / 1000}), ${most}, ${held})
  `

/** When the first timer of these shards after this moment comes due, in milliseconds since 1970. */
export async function nextTimer({ sql }: Database, after: number, held: number[]): Promise<number | undefined> {
  const [row] = await sql<{ at: number | null }[]>`
    select (extract(epoch from next_timer(to_timestamp(${after / 1000}), ${held})) * 1000)::float8 as at
  `
  return row?.at ?? undefined
}
