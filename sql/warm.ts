/** Run at install: prepares the archive from which a fresh embedded store is unpacked, so that the first start is quick too. */
import { openDatabase } from './database.ts'

try {
  const db = await openDatabase({ dataDir: ':memory:' })
  await db.close()
} catch (error) {
  // A convenience: without it the first start takes some seconds longer, and says what is wrong if something is.
  process.stderr.write(`The embedded store was not prepared: ${(error as Error).message}\n`)
}
