/** A PostgreSQL server, looked over before anything relies on it. */
import { randomUUID } from 'node:crypto'
import postgres from 'postgres'
import { Cable, type Address } from './cable.ts'
import type { Database, Log, Sql } from './database.ts'
import { options, withArrays } from './database.options.ts'
import { findPooler, probing } from './pooled.ts'
import { withMortalTransactions } from './transaction.ts'

const OLDEST = 15 // the first whose `security_invoker` views and `unique nulls not distinct` we may use

export async function server({ url, max, log }: { url: string; max: number; log: Log }): Promise<Database> {
  const application = `nexus ${randomUUID()}`
  let sql = connect(url, 1, { application })
  let isPooled: boolean
  try {
    const version = await reach(sql, url)
    if (version < OLDEST) throw new Error(`PostgreSQL ${version} at ${place(url)} is too old: ${OLDEST} or newer is needed`)
    await haveVector(sql, url)
    isPooled = await findPooler(() => connect(url, 1, { application: 'nexus probe', isPooled: true, session: probing }))
    await sql.end({ timeout: 1 })
    sql = connect(url, max, { application, isPooled, patience: ANSWER })
    log.info({ at: place(url), version }, 'PostgreSQL is reachable')
  } catch (why) {
    await sql.end({ timeout: 0 })
    throw why
  }
  return {
    sql,
    kind: 'postgres',
    application,
    isPooled,
    unhurried() {
      const line = connect(url, 1, { application, isPooled })
      return { sql: line, close: () => line.end({ timeout: 2 }) }
    },
    async tidy() {},
    lost: new Promise(() => {}),
    close: () => sql.end({ timeout: 2 }),
  }
}

interface Manner {
  /** What the connection is called at the server. */
  application?: string
  /** A pooler hands its sessions around: a statement that one of them has prepared is unknown to the next. */
  isPooled?: boolean
  /** Settings of its session from the start; a pooler lets none through. */
  session?: Record<string, number>
  /** Milliseconds that the server may be silent while it owes an answer; without it, for as long as it takes. */
  patience?: number
  /** Called when a connection has ended. */
  lost?: () => void
}

/** Longer than a statement of the runtime has any business to take; what may take longer is asked on a line of its own (`unhurried`). */
const ANSWER = 20_000

export const connect = (
  url: string,
  max: number,
  { application = 'nexus', isPooled = false, session = {}, patience, lost = () => {} }: Manner = {},
): Sql =>
  withMortalTransactions(
    withArrays(
      postgres(url, {
        ...options,
        max,
        prepare: !isPooled,
        onclose: lost,
        connection: { ...options.connection, ...session, application_name: application },
        connect_timeout: 20, // above the cable's own, whose error says more
        ssl: false, // the cable encrypts
        // postgres.js takes any duplex stream for a socket; its documentation knows it, its types do not.
        ...({ socket: (address: Omit<Address, 'tls'>) => new Cable({ ...address, tls: encryption(url) }, patience) } as object),
      }),
    ),
  )

/** `sslmode` or `ssl` of the url. As with libpq, only the modes that say `verify` look at the certificate. */
function encryption(url: string): Address['tls'] {
  const asked = /[?&]ssl(?:mode)?=([\w-]+)/.exec(url)?.[1] ?? 'disable'
  if (['disable', 'false', 'allow'].includes(asked)) return undefined
  return { rejectUnauthorized: asked.startsWith('verify'), optional: asked === 'prefer' }
}

async function reach(sql: Sql, url: string): Promise<number> {
  try {
    const [row] = await sql<{ version: number }[]>`select current_setting('server_version_num')::int / 10000 as version`
    return row!.version
  } catch (cause) {
    throw new Error(`PostgreSQL at ${place(url)} cannot be used: ${reason(cause)}`, { cause })
  }
}

async function haveVector(sql: Sql, url: string): Promise<void> {
  if (await hasVector(sql)) return
  try {
    await sql`create extension if not exists vector`
  } catch (cause) {
    if (await hasVector(sql)) return // another node made it in the same moment
    throw new Error(`PostgreSQL at ${place(url)} lacks the extension vector (pgvector) and it cannot be created: ${reason(cause)}`, {
      cause,
    })
  }
}

const hasVector = async (sql: Sql): Promise<boolean> => (await sql`select from pg_extension where extname = 'vector'`).length > 0

/** The url without what must not stand in a log. */
function place(url: string): string {
  try {
    const { host, pathname } = new URL(url)
    return host + pathname
  } catch {
    return 'the given url' // several hosts, or a url that only postgres.js can read
  }
}

/** An AggregateError, which Node throws for a host with two addresses, has an empty message. */
function reason(cause: unknown): string {
  if (cause instanceof AggregateError) return cause.errors.map(reason).join('; ')
  return cause instanceof Error ? cause.message || cause.name : String(cause)
}
