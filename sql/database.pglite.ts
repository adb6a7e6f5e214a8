/** PostgreSQL inside this process: PGlite in a thread of its own, reached by the same driver as a server. */
import { mkdir, rm, stat, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { Duplex } from 'node:stream'
import postgres from 'postgres'
import type { Database, Log, Sql } from './database.ts'
import { options, silent, withArrays } from './database.options.ts'
import { lockFolder } from './lock.ts'
import { withMortalTransactions } from './transaction.ts'
import { startBackend } from './wire.backend.ts'
import { keepArchive, readArchive } from './wire.template.ts'
import { Exchange } from './wire.ts'
import type { Patience } from './wire.turns.ts'

export const MEMORY = ':memory:'

export interface Embedding {
  dataDir: string
  max?: number
  log?: Log
  /** How long a query stands in line for the single session. */
  patience?: Patience
  /** Start from this archive of a data folder instead of an empty database. */
  archive?: Uint8Array
}

export interface EmbeddedDatabase extends Database {
  /** An uncompressed archive of the whole database, to start others from. */
  dump(): Promise<Uint8Array>
  /** Gives further lines to the same session. */
  exchange: Exchange
}

export async function embedded({ dataDir, max = 8, log = silent, patience, archive }: Embedding): Promise<EmbeddedDatabase> {
  const began = performance.now()
  const home = dataDir === MEMORY ? undefined : await settle(resolve(dataDir))
  const fresh = home?.fresh ?? true
  const birth = { folder: home?.folder, fresh, archive: fresh ? (archive ?? (await readArchive())) : undefined }
  const backend = await startBackend(birth, (made) => void keepArchive(made)).catch(async (cause: Error) => {
    await home?.lock.release()
    throw new Error(`the embedded database${home ? ` in ${home.folder}` : ''} cannot be started: ${cause.message}`, { cause })
  })
  await home?.created()

  const exchange = new Exchange(backend, patience ?? { idle: 5_000, busy: 60_000 })
  const fail = (why: Error) => {
    log.error({ err: why }, 'the embedded database is lost')
    exchange.fail(why)
  }
  const robbed = home?.lock.lost.then(async (why) => {
    fail(why)
    await backend.stop() // whoever took the folder must find nobody writing
    return why
  })
  const died = backend.lost.then((why) => {
    fail(why)
    return why
  })
  const lost = robbed ? Promise.race([died, robbed]) : died
  const sql = connect(() => exchange.connect(), max)
  if (home)
    log.info(
      { folder: home.folder, ms: Math.round(performance.now() - began) },
      'the embedded database is open; it survives a killed process, not a power cut',
    )

  let closed: Promise<void> | undefined
  return {
    sql,
    exchange,
    kind: 'pglite',
    application: 'nexus',
    isPooled: false,
    unhurried: () => ({ sql, close: async () => {} }),
    tidy: () => tidy(sql),
    lost,
    dump: () => backend.dump(),
    close: () =>
      (closed ??= (async () => {
        await sql.end({ timeout: 1 })
        await backend.close()
        await home?.lock.release()
      })()),
  }
}

export const connect = (socket: () => Duplex, max: number): Sql =>
  withMortalTransactions(
    withArrays(
      postgres({
        ...options,
        max,
        user: 'postgres',
        database: 'postgres',
        // postgres.js takes any duplex stream for a socket; its documentation knows it, its types do not.
        ...({ socket } as object),
      }),
    ),
  )

/** Table by table, so that queries get their turn in between. */
async function tidy(sql: Sql): Promise<void> {
  const tables = await sql<{ name: string }[]>`
    select format('%I.%I', schemaname, relname) as name
    from pg_stat_all_tables
    where schemaname not in ('information_schema', 'pg_toast')
    order by 1
  `
  for (const { name } of tables) await sql.unsafe(`vacuum (analyze) ${name}`)
  await sql`checkpoint`
}

/** The folder, locked, and swept of a first creation that was cut short: nobody had been promised anything yet. */
async function settle(dataDir: string) {
  await mkdir(dataDir, { recursive: true })
  const lock = await lockFolder(dataDir)
  const folder = join(dataDir, 'postgres')
  const creating = join(dataDir, 'creating')
  if (await exists(creating)) await rm(folder, { recursive: true, force: true })
  const fresh = !(await exists(join(folder, 'PG_VERSION')))
  if (fresh) await writeFile(creating, '')
  return { folder, fresh, lock, created: () => rm(creating, { force: true }) }
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  )
