/** Whether a pooler stands between us and the server. */
import { randomUUID } from 'node:crypto'
import type { Sql } from './database.ts'

/**
 * What every lane asks for at its start. PgBouncer cannot give it, and says so in each of its modes, unless it was told to pass over
 * it in silence.
 */
export const probing = { tcp_keepalives_idle: 4 }
const isRefused = (error: unknown) => /unsupported startup parameter/.test((error as Error).message)

/**
 * Whether something between us and the server keeps sessions from being ours: it refuses what one is to be started with, or hands them
 * around, transaction by transaction. Then what one connection sets for its session is found by another, since the session that was
 * free last is the first to be handed out (PgBouncer's default). `open` connects, asking for what we are `probing`.
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
  } catch (error) {
    if (isRefused(error)) return true
    throw error
  } finally {
    await Promise.all([one.end({ timeout: 1 }), two.end({ timeout: 1 })])
  }
}
