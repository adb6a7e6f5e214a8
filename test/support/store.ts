/** A database with the real schema, fast enough for every test to have its own. */
import { createHash } from 'node:crypto'
import { embedded, MEMORY } from '../../sql/database.pglite.ts'
import { migrate, readMigrations } from '../../sql/migrate.ts'
import { keepArchive, readArchive } from '../../sql/wire.template.ts'
import { pglite, type Opened, type Variant } from './postgres.ts'

export async function freshStore(variant: Variant = pglite): Promise<Opened> {
  const store = await variant.open({ archive: variant.name === 'pglite' ? await migratedArchive() : undefined })
  await migrate(store.db)
  return store
}

let archive: Promise<Uint8Array> | undefined

/** An archive of the embedded database after all migrations, kept between runs and made anew when a migration changes. */
export const migratedArchive = (): Promise<Uint8Array> =>
  (archive ??= (async () => {
    const files = await readMigrations()
    const what = createHash('sha256')
      .update(files.map((file) => file.name + file.checksum).join())
      .digest('hex')
    return (await readArchive(what)) ?? make(what)
  })())

async function make(what: string): Promise<Uint8Array> {
  const db = await embedded({ dataDir: MEMORY, max: 1 })
  try {
    await migrate(db)
    await db.sql`checkpoint`
    const made = await db.dump()
    await keepArchive(made, what)
    return made
  } finally {
    await db.close()
  }
}
