import type { Database } from './database.ts'

/** Throws when the store does not answer. */
export async function ping({ sql }: Pick<Database, 'sql'>): Promise<void> {
  await sql`select 1`
}
