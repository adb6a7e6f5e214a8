/** The databases that a suite runs on: always the embedded one in memory, and a server where TEST_DATABASE_URL names one. */
import { randomBytes } from 'node:crypto'
import type { Duplex } from 'node:stream'
import postgres from 'postgres'
import { openDatabase, type Database, type Sql } from '../../sql/database.ts'
import { connect as plug, embedded, MEMORY } from '../../sql/database.pglite.ts'
import { connect } from '../../sql/database.postgres.ts'
import { leftOut } from './left-out.ts'

export interface Opened {
  db: Database
  /** A client with a single connection to the same database, which can be cut like a cable. */
  fragile(): { sql: Sql; cut(): Promise<void> }
  close(): Promise<void>
}

export interface Variant {
  name: Database['kind']
  /** A database of its own for every caller, empty, gone when closed. An archive is for the embedded one. */
  open(needs?: { max?: number; archive?: Uint8Array | undefined }): Promise<Opened>
}

export const pglite: Variant = {
  name: 'pglite',
  async open({ max = 8, archive } = {}) {
    const db = await embedded({ dataDir: MEMORY, max, ...(archive && { archive }) })
    return {
      db,
      fragile() {
        let line: Duplex | undefined
        const sql = plug(() => (line = db.exchange.connect()), 1)
        return { sql, cut: async () => void line?.destroy() }
      },
      close: () => db.close(),
    }
  },
}

const server = (url: string): Variant => ({
  name: 'postgres',
  async open({ max = 8 } = {}) {
    const name = `nexus_test_${randomBytes(6).toString('hex')}`
    const admin = postgres(url, { max: 1, onnotice() {} })
    await admin`create database ${admin(name)}`
    const own = new URL(url)
    own.pathname = name
    const db = await openDatabase({ url: own.href, max })
    return {
      db,
      fragile() {
        const sql = connect(own.href, 1, { application: 'fragile' })
        return {
          sql,
          cut: async () => void (await db.sql`select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'fragile'`),
        }
      },
      async close() {
        await db.close()
        await admin`drop database ${admin(name)} with (force)`
        await admin.end()
      },
    }
  },
})

/** The server at this url, or the embedded store where there is none. */
export const variantAt = (url: string | undefined): Variant => (url ? server(url) : pglite)

let said = false

/** Every variant that can run here. Says once which they are. */
export function stores(): Variant[] {
  const url = process.env.TEST_DATABASE_URL
  if (!said && !url) leftOut('the store on a PostgreSQL server: TEST_DATABASE_URL is not set')
  said = true
  return url ? [pglite, server(url)] : [pglite]
}
