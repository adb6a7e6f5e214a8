/** Our own lock: while its session lasts a neighbour knows that we live, and the moment it ends the neighbour knows that we may not. */
import { holdLock, lockKey } from '../../sql/cluster.ts'
import type { Lane } from '../../sql/lane.ts'
import type { Clock } from '../host/clock.ts'
import type { Log } from '../watch/log.ts'

/** Milliseconds between two tries for it. */
export const LOCK_AGAIN = 50
/** Somebody who looks whether we live holds it for a moment: only who finds it taken again and again has lost it. */
const TRIES = 5

interface Needs {
  lane: Pick<Lane, 'sql' | 'lost'>
  node: string
  clock: Clock
  log: Log
  /** It went with its line: whoever waits for it may bury us, and our heirs need not wait for our lease. */
  lost(): void
}

export interface OwnLock {
  /** Of the lock. */
  key: number
  /**
   * Takes it, or keeps it where it is ours already; `got`: what came of a first try. Resolves whether it is ours; rejects where the store
   * does not answer.
   */
  take(got?: boolean): Promise<boolean>
  /** An answer has given it to us, however late: also where nobody waits for the answer any more. */
  got(): void
  /** Says what the lock tells of a life that has entered: once, where a connection that is not ours any more holds it. */
  note(isOurs: boolean): void
}

export function createOwnLock({ lane, node, clock, log, lost }: Needs): OwnLock {
  const key = lockKey(node)
  let isHeld = false
  let isForeign = false
  const pause = () => new Promise<void>((resolve) => clock.after(LOCK_AGAIN, resolve))

  lane.lost(() => {
    if (!isHeld) return
    isHeld = false
    lost()
  })

  return {
    key,
    got: () => void (isHeld = true),
    async take(got) {
      let isOurs = got ?? (await holdLock(lane, key))
      for (let tries = 1; !isOurs && tries < TRIES; tries++) {
        await pause()
        isOurs = await holdLock(lane, key)
      }
      if (isOurs) isHeld = true
      return isOurs
    },
    note(isOurs) {
      if (!isOurs && !isForeign)
        log.warn(
          { node },
          'a connection that is not ours any more holds the lock of this node: until the store drops it, only our lease tells that we live',
        )
      isForeign = !isOurs
    },
  }
}
