import type { Database } from './database.ts'

export interface Due {
  tenant: string
  actor: string
  id: string
}

export const dueTimers = ({ sql }: Database, until: number, most: number) =>
  sql<Due[]>`
    select tenant_id as tenant, actor, id from due_timers(to_timestamp(${until / 1000}), ${most})
  `

/** When the first timer after this moment comes due, in milliseconds since 1970. */
export async function nextTimer({ sql }: Database, after: number): Promise<number | undefined> {
  const [row] = await sql<{ at: number | null }[]>`
    select (extract(epoch from next_timer(to_timestamp(${after / 1000}))) * 1000)::float8 as at
  `
  return row?.at ?? undefined
}
