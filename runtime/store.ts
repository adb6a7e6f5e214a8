/** The store that the settings ask for. */
import { type Database, openDatabase } from '../sql/database.ts'
import type { Config } from './config.ts'
import type { Log } from './watch/log.ts'

/** Begins to open it at once. Whoever awaits it hears why it cannot be opened; nobody else does. */
export function openStore({ databaseUrl, dataDir }: Pick<Config, 'databaseUrl' | 'dataDir'>, log: Log): Promise<Database> {
  const opening = openDatabase({ url: databaseUrl, dataDir, log })
  opening.catch(() => {}) // it may fail before anybody has come to await it
  return opening
}
