/** Connections outside of the pool: one for what must never stand in line, one for each lock that is waited for. */
import { randomUUID } from 'node:crypto'
import { awaitLock } from './cluster.ts'
import type { Sql } from './database.ts'
import { connect } from './database.postgres.ts'

export interface Lane {
  sql: Sql
  close(): Promise<void>
}

/** A single connection to the server. */
export function openLane(url: string, application: string): Lane {
  const sql = connect(url, 1, application)
  return { sql, close: () => sql.end({ timeout: 1 }) }
}

/** Waits until nobody holds the lock of this number, on a connection of its own. */
export function watchLock(url: string, key: number): { free: Promise<void>; stop(): void } {
  const sql = connect(url, 1, 'nexus watch')
  const end = () => void sql.end({ timeout: 0 }).catch(() => {})
  const free = awaitLock({ sql }, key).finally(end)
  free.catch(() => {}) // whoever has stopped waiting does not hear of it
  return { free, stop: end }
}

/**
 * Whether something between us and the server hands its sessions around, transaction by transaction: what one connection sets for its
 * session is then found by another, because the session that was free last is the first to be handed out (PgBouncer's default).
 */
export async function isPooled(url: string): Promise<boolean> {
  const [one, two] = [openLane(url, 'nexus probe'), openLane(url, 'nexus probe')]
  try {
    await two.sql`select 1`
    for (let tries = 0; tries < 3; tries++) {
      const mark = randomUUID()
      await one.sql`select set_config('nexus.probe', ${mark}, false)`
      const [row] = await two.sql<[{ found: string | null }]>`select current_setting('nexus.probe', true) as found`
      if (row.found === mark) return true
    }
    return false
  } finally {
    await Promise.all([one.close(), two.close()])
  }
}
