/** Brings the schema up to date: plain numbered files of SQL, forward only, each in a transaction of its own.
 *
 *  Roles belong to the whole server, so two databases on it may create the same one in the same moment:
 *
 *      do $$ begin
 *        create role nexus_app nologin;
 *      exception when duplicate_object or unique_violation then null; -- another database of this server made it
 *      end $$;
 */
import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Database, Transaction } from './database.ts'

export interface Migration {
  name: string
  body: string
  checksum: string
}

const LOCK = 72_657_873 // any number, as long as nobody else locks it

/** Applies what is missing and returns its names. Refuses a database that is not a past state of these files.
 *  Several nodes may call it at the same time: one works, the others wait and find nothing left to do. */
export async function migrate(db: Pick<Database, 'unhurried'>, { dir = here }: { dir?: string } = {}): Promise<string[]> {
  const files = await readMigrations(dir)
  const applied: string[] = []
  const line = db.unhurried()
  try {
    for (;;) {
      const name = await advance(line, files)
      if (!name) return applied
      applied.push(name)
    }
  } finally {
    await line.close()
  }
}

const here = fileURLToPath(new URL('.', import.meta.url))

/** In the order of their numbers. */
export async function readMigrations(dir = here): Promise<Migration[]> {
  const names = (await readdir(dir)).filter((name) => /^\d+_.+\.sql$/.test(name)).sort((one, other) => number(one) - number(other))
  names.forEach((name, at) => {
    const before = names[at - 1]
    if (before && number(before) === number(name)) throw new Error(`the migrations ${before} and ${name} have the same number`)
  })
  return Promise.all(
    names.map(async (name) => {
      // A checkout with the line ends of Windows is the same migration.
      const body = (await readFile(join(dir, name), 'utf8')).replaceAll('\r\n', '\n')
      return { name, body, checksum: createHash('sha256').update(body).digest('hex') }
    }),
  )
}

const number = (name: string): number => Number.parseInt(name, 10)

/** Applies the first that is missing. The lock ends with the transaction, so the neighbour sees either all of it or nothing. */
async function advance({ sql }: Pick<Database, 'sql'>, files: Migration[]): Promise<string | undefined> {
  const { name } = await sql.begin(async (tx) => {
    await tx`select pg_advisory_xact_lock(${LOCK})`
    await tx`
      create table if not exists migrations (
        name text primary key,
        checksum text not null,
        applied_at timestamptz not null default now()
      )
    `
    const next = missing(files, await history(tx))[0]
    if (next) await apply(tx, next)
    return { name: next?.name }
  })
  return name
}

async function apply(tx: Transaction, { name, body, checksum }: Migration): Promise<void> {
  try {
    await tx.unsafe(body).simple()
  } catch (cause) {
    throw new Error(`the migration ${name} failed: ${cause instanceof Error ? cause.message : cause}`, { cause })
  }
  await tx`insert into migrations (name, checksum) values (${name}, ${checksum})`
}

type History = Pick<Migration, 'name' | 'checksum'>[]

const history = (tx: Transaction): Promise<History> => tx<History>`select name, checksum from migrations`

/** The files that the database has not seen; throws if it has seen anything but a beginning of them. */
function missing(files: Migration[], seen: History): Migration[] {
  const checksums = new Map(seen.map((one) => [one.name, one.checksum]))
  const unknown = seen.find((one) => !files.some((file) => file.name === one.name))
  if (unknown)
    throw new Error(
      `the database has the migration ${unknown.name}, which this version does not know: the database is newer than the program`,
    )
  const changed = files.find((file) => checksums.has(file.name) && checksums.get(file.name) !== file.checksum)
  if (changed) throw new Error(`the migration ${changed.name} was changed after it had been applied: change it back, and write a new one`)
  const rest = files.filter((file) => !checksums.has(file.name))
  const late = rest.find((file) => files.indexOf(file) < seen.length)
  if (late) throw new Error(`the migration ${late.name} comes before one that is already applied: give it a higher number`)
  return rest
}
