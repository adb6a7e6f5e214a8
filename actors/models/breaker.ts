/** Remembers who has just failed, so that the next call goes elsewhere first. */
import { type Clock, systemClock } from './clock.ts'

export interface Breaker {
  /** Milliseconds for which this one should rest; 0 means it may be asked. */
  rest(key: string): number
  failed(key: string, atLeastMs?: number): void
  succeeded(key: string): void
}

const FIRST_REST = 5_000
const LONGEST_REST = 300_000

/** The rest doubles with each failure in a row: 5 s · 2ⁿ. One key is one provider, model and credential. */
export function createBreaker(clock: Clock = systemClock): Breaker {
  const tripped = new Map<string, { failures: number; until: number }>()
  return {
    rest: (key) => Math.max(0, (tripped.get(key)?.until ?? 0) - clock.now()),
    failed: (key, atLeastMs = 0) => {
      const failures = (tripped.get(key)?.failures ?? 0) + 1
      const rest = Math.min(FIRST_REST * 2 ** (failures - 1), LONGEST_REST)
      tripped.set(key, { failures, until: clock.now() + Math.max(rest, atLeastMs) })
    },
    succeeded: (key) => void tripped.delete(key),
  }
}
