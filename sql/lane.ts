/** Connections outside of the pool: one for what must never stand in line, one for each lock that is waited for. */
import { awaitLock } from './cluster.ts'
import type { Sql } from './database.ts'
import { connect } from './database.postgres.ts'

export interface Lane {
  sql: Sql
  close(): Promise<void>
}

/** A single connection to the server. */
export function openLane(url: string, application: string, isPooled = false): Lane {
  const sql = connect(url, 1, { application, isPooled })
  return { sql, close: () => sql.end({ timeout: 1 }) }
}

/** Waits until nobody holds the lock of this number, on a connection of its own. */
export function watchLock(url: string, key: number): { free: Promise<void>; stop(): void } {
  const sql = connect(url, 1, { application: 'nexus watch' })
  const end = () => void sql.end({ timeout: 0 }).catch(() => {})
  const free = awaitLock({ sql }, key).finally(end)
  free.catch(() => {}) // whoever has stopped waiting does not hear of it
  return { free, stop: end }
}
