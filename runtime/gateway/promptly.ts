/** Nobody waits in silence for a store that does not answer, as one does that hangs or whose packets get lost. */
import { Refusal } from '../../machines/refusal.ts'
import { within } from '../../sql/within.ts'

/** Milliseconds. Longer than a node needs to find out that another is gone and to take over from it, shorter than most callers wait. */
const PATIENCE = 20_000

/**
 * The work's own end, or `store.unavailable` when that does not come in time. The work itself goes on: a message may be kept all the
 * same, and whoever sends it again under the same id is told so.
 */
export const promptly = <T>(work: PromiseLike<T>, ms = PATIENCE): Promise<T> =>
  within(ms, work, () => {
    throw new Refusal('store.unavailable')
  })
