/** Removes pieces of replies that nobody reads any more: once for all nodes. */
import { sweepChunks } from '../../sql/chunks.ts'
import type { Database } from '../../sql/database.ts'
import { type Job, pause } from '../cluster/jobs.ts'
import type { Log } from '../watch/log.ts'
import type { Clock } from './clock.ts'

/** Milliseconds between two looks. */
const PAUSE = 60_000

export const sweeping =
  ({ db, clock, log }: { db: Database; clock: Clock; log: Log }): Job =>
  async (signal) => {
    for (;;) {
      await pause(clock, PAUSE, signal)
      if (signal.aborted) return
      await sweepChunks(db).catch((error: Error) => log.warn({ err: error }, 'pieces of replies that nobody reads could not be removed'))
    }
  }
