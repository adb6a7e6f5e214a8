/** The thread in which the embedded PostgreSQL runs: a query there does not hold up the event loop here.
 *  Plain JavaScript, because a worker on a .ts file fails under tsx on Node 20; whoever compiles copies it as it is. */
import { rm } from 'node:fs/promises'
import { parentPort, workerData } from 'node:worker_threads'
import { PGlite } from '@electric-sql/pglite'
import { pg_trgm } from '@electric-sql/pglite/contrib/pg_trgm'
import { pgcrypto } from '@electric-sql/pglite/contrib/pgcrypto'
import { vector } from '@electric-sql/pglite-pgvector'

const settings = {
  extensions: { vector, pg_trgm, pgcrypto },
  // Nothing checkpoints by itself: without the limit the log grew to 1.5 GB. The buffers are memory that a laptop misses.
  postgresqlconf: ['shared_buffers=16MB', 'max_wal_size=64MB'],
}

const { folder, fresh } = workerData

async function open() {
  if (!fresh) return PGlite.create({ ...settings, dataDir: folder })
  const { archive } = workerData
  delete workerData.archive // 40 MB that nobody needs again
  return (await unpack(archive)) ?? make()
}

/** Undefined if there is no archive, or none that works: it comes from a cache, and nothing may depend on a cache. */
async function unpack(archive) {
  if (!archive) return undefined
  try {
    return await PGlite.create({ ...settings, dataDir: folder, loadDataDir: new Blob([archive]) })
  } catch {
    if (folder) await rm(folder, { recursive: true, force: true })
    return undefined
  }
}

/** Made in memory even when it is for a folder: making it there and unpacking it takes 2.5 s, making it on disk 4 s. */
async function make() {
  const made = await PGlite.create(settings)
  await made.exec('create extension vector; checkpoint')
  const archive = await made.dumpDataDir('none')
  parentPort.postMessage({ archive: new Uint8Array(await archive.arrayBuffer()) })
  if (!folder) return made
  await made.close()
  return PGlite.create({ ...settings, dataDir: folder, loadDataDir: archive })
}

const duties = {
  run: (messages) => db.execProtocolRaw(messages),
  dump: async () => new Uint8Array(await (await db.dumpDataDir('none')).arrayBuffer()),
  close: async () => {
    await db.exec('checkpoint')
    await db.close()
  },
}

const tell = (id, answer, fault) =>
  parentPort.postMessage({ id, answer, fault: fault && String(fault.message ?? fault) }, answer ? [answer.buffer] : [])

const db = await open().catch((fault) => {
  tell(0, undefined, fault)
  parentPort.close()
})

// One at a time and in order: the session is single, and its protocol is a conversation.
let last = Promise.resolve()
if (db) {
  parentPort.on('message', ({ id, duty, messages }) => {
    last = last
      .then(() => duties[duty](messages))
      .then(
        (answer) => tell(id, answer),
        (fault) => tell(id, undefined, fault),
      )
  })
  tell(0)
}
