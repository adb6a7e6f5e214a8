import type { Database } from '../../sql/database.ts'
import { until } from './until.ts'

/** Goes on once what was asked stands before a lock of this database, or is over: an answer inside, so that nobody waits for it yet. */
export async function standing<Answer>({ sql }: Database, asked: Promise<Answer>): Promise<{ asked: Promise<Answer> }> {
  let isOver = false
  const over = () => {
    isOver = true
  }
  asked.then(over, over)
  await until(async () => {
    const [{ waits }] = await sql<[{ waits: boolean }]>`
      select exists (
        select from pg_locks l join pg_stat_activity s on s.pid = l.pid where s.datname = current_database() and not l.granted
      ) as waits
    `
    return isOver || waits
  }, 'a lock that is waited for')
  return { asked }
}
