/** By how much the clock of this machine is behind that of the store, which counts. */
import type { Clock } from '../host/clock.ts'
import type { Log } from '../watch/log.ts'

/** Milliseconds from which on it is worth a word. */
const WORTH_A_WORD = 5_000

interface Needs {
  node: string
  clock: Pick<Clock, 'now' | 'ticks'>
  log: Log
}

export interface Skew {
  /** Whole milliseconds, as the time is that they are added to. A clock that is set between two beats is seen at once. */
  ms(): number
  /** What the store's clock showed between this moment, by our ticks, and now. */
  note(now: number, asked: number): void
}

export function createSkew({ node, clock, log }: Needs): Skew {
  /** By how much the store's clock is ahead of our ticks, which nobody sets. */
  let ahead: number | undefined
  let isTold = false
  const ms = () => (ahead === undefined ? 0 : Math.round(clock.ticks() + ahead - clock.now()))
  return {
    ms,
    note(now, asked) {
      // It may have waited on either way: what we know moves as far as the answer leaves no other choice.
      const [least, most] = [now - clock.ticks(), now - asked]
      ahead = ahead === undefined ? (least + most) / 2 : Math.min(Math.max(ahead, least), most)
      if (isTold || Math.abs(ms()) < WORTH_A_WORD) return
      isTold = true
      log.warn({ node, seconds: Math.round(ms() / 1_000) }, 'the clock of this machine and that of the store disagree; the store’s counts')
    },
  }
}
