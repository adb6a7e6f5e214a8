/** Whether a pooler stands between us and the server. */
import { randomUUID } from 'node:crypto'
import type { Sql } from './database.ts'

/**
 * Whether something between us and the server hands its sessions around, transaction by transaction: what one connection sets for its
 * session is then found by another, because the session that was free last is the first to be handed out (PgBouncer's default).
 */
export async function findPooler(open: () => Sql): Promise<boolean> {
  const [one, two] = [open(), open()]
  try {
    await two`select 1`
    for (let tries = 0; tries < 3; tries++) {
      const mark = randomUUID()
      await one`select set_config('nexus.probe', ${mark}, false)`
      const [row] = await two<[{ found: string | null }]>`select current_setting('nexus.probe', true) as found`
      if (row.found === mark) return true
    }
    return false
  } finally {
    await Promise.all([one.end({ timeout: 1 }), two.end({ timeout: 1 })])
  }
}
