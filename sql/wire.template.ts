/** A ready-made empty database to start others from: unpacking it takes half a second, making one from nothing two.
 *  It lies where caches of packages lie, may be deleted at any time, and is never needed. */
import { createHash } from 'node:crypto'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { gunzip, gzip } from 'node:zlib'

const packages = new URL('../../../', import.meta.resolve('@electric-sql/pglite')) // node_modules, from @electric-sql/pglite/dist
const cache = new URL('.cache/nexus/', packages)

/** Undefined when there is none or it is damaged. `what` tells apart archives of different content. */
export async function readArchive(what = 'empty'): Promise<Uint8Array | undefined> {
  try {
    return new Uint8Array(await promisify(gunzip)(await readFile(await file(what))))
  } catch {
    return undefined // then it is made from nothing, which only takes longer
  }
}

/** Written aside and moved, so that nobody ever reads half of one. */
export async function keepArchive(archive: Uint8Array, what = 'empty'): Promise<void> {
  try {
    await mkdir(cache, { recursive: true })
    const path = await file(what)
    const aside = `${path}.${process.pid}`
    await writeFile(aside, await promisify(gzip)(archive, { level: 1 }))
    await rename(aside, path)
  } catch {
    // A file system that may not be written, as in a container: the next start takes as long as this one.
  }
}

/** Named after everything that its content depends on: a new PGlite or a new setting means a new archive. */
async function file(what: string): Promise<string> {
  const sources = await Promise.all([
    readFile(new URL('./wire.worker.mjs', import.meta.url)),
    readFile(new URL('@electric-sql/pglite/package.json', packages)),
    readFile(new URL('@electric-sql/pglite-pgvector/package.json', packages)),
  ])
  const key = createHash('sha256').update(Buffer.concat(sources)).update(what).digest('hex').slice(0, 16)
  return fileURLToPath(new URL(`database-${key}.tar.gz`, cache))
}
