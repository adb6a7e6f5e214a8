/** One PostgreSQL for everything: a server when there is a url, otherwise one that runs inside this process. */
import type postgres from 'postgres'
import { silent } from './database.options.ts'
import { embedded } from './database.pglite.ts'
import { server } from './database.postgres.ts'

export type Sql = postgres.Sql
/** The handle of one transaction. */
export type Transaction = postgres.TransactionSql

export interface Database {
  /** Outside of transactions. Inside `sql.begin` use only the handle that it gives: the embedded one has a single session. */
  sql: Sql
  kind: 'pglite' | 'postgres'
  /** The name of its connections, of which no other process has one alike. */
  application: string
  /** A transaction pooler stands before the server: sessions, and with them locks and LISTEN, mean nothing. */
  isPooled: boolean
  /** A connection for what may take its time, such as migrations: a server that does not answer for long is given up on all others. */
  unhurried(): { sql: Sql; close(): Promise<void> }
  /** Vacuum, fresh statistics and a checkpoint, which nobody does for the embedded one. A server does it by itself. */
  tidy(): Promise<void>
  /** Resolves with the reason when the embedded one has died or lost its folder: nothing can be stored any more. A server comes back. */
  lost: Promise<Error>
  /** Waits a moment for running queries, then ends. Closing twice is fine. */
  close(): Promise<void>
}

export interface Settings {
  /** postgres://user:password@host:port/database; without it PostgreSQL runs inside this process. */
  url?: string | undefined
  /** Where the embedded one keeps its data; `:memory:` forgets everything at the end. */
  dataDir?: string | undefined
  /** Connections of the pool. */
  max?: number | undefined
  log?: Log | undefined
}

/** The part of pino's logger that a database uses. */
export interface Log {
  info(what: object, sentence: string): void
  warn(what: object, sentence: string): void
  error(what: object, sentence: string): void
}

/** Opens the database, or throws one sentence that says why not. Never one in place of the other. */
export const openDatabase = ({ url, dataDir = 'data', max, log = silent }: Settings = {}): Promise<Database> =>
  url ? server({ url, max: max ?? 10, log }) : embedded({ dataDir, max: max ?? 8, log })
