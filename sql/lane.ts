/** Connections outside of the pool: one for what must never stand in line, one for each lock that is waited for. */
import { awaitLock } from './cluster.ts'
import type { Sql } from './database.ts'
import { connect } from './database.postgres.ts'
import { probing } from './pooled.ts'

/**
 * The server finds out within about ten seconds that whoever held a lock is out of reach: a machine that lost its power, or a line that a
 * firewall has forgotten, closes nothing, and by the defaults of Linux the lock would be held for another two hours.
 */
const mortal = { ...probing, tcp_keepalives_interval: 2, tcp_keepalives_count: 3, tcp_user_timeout: 10_000 }
/** Whoever waits for a lock waits for as long as it takes, and does not notice by itself that its own process is gone. */
const patient = { statement_timeout: 0, lock_timeout: 0, client_connection_check_interval: 1_000 }

/** Milliseconds. Twice a lease: whoever hears nothing for so long has lost what it had, and comes back on another line. */
const PATIENCE = 10_000

export interface Lane {
  sql: Sql
  /** Calls whenever the line is gone, and with it the locks that it held. One listener. */
  lost(hear: () => void): void
  close(): Promise<void>
}

/** A single connection to the server. */
export function openLane(url: string, application: string, isPooled = false): Lane {
  let hear = () => {}
  const sql = connect(url, 1, { application, isPooled, patience: PATIENCE, lost: () => hear(), ...(!isPooled && { session: mortal }) })
  return {
    sql,
    lost: (listener) => void (hear = listener),
    close: () => sql.end({ timeout: 1 }),
  }
}

/** Waits until nobody holds the lock of this number, on a connection of its own. */
export function watchLock(url: string, key: number): { free: Promise<void>; stop(): void } {
  const sql = connect(url, 1, { application: 'nexus watch', session: { ...mortal, ...patient } })
  const end = () => void sql.end({ timeout: 0 }).catch(() => {})
  const free = awaitLock({ sql }, key).finally(end)
  free.catch(() => {}) // whoever has stopped waiting does not hear of it
  return { free, stop: end }
}
