/** A clock that a test moves by hand. It goes from due time to due time, so that what is armed on the way rings on the way. */
import type { Clock } from '../../runtime/host/clock.ts'

export interface HandClock extends Clock {
  /** Lets so many milliseconds pass at once. */
  move(ms: number): void
  /** The same, and whatever a ring sets off may end before the next one rings. */
  pass(ms: number): Promise<void>
  /** Rings that are still awaited. */
  waiting(): number
}

interface Ring {
  at: number
  ring(): void
}

export function handClock(start = 1_000_000): HandClock {
  let now = start
  const rings = new Set<Ring>()

  function next(until: number): Ring | undefined {
    let first: Ring | undefined
    for (const ring of rings) if (ring.at <= until && (!first || ring.at < first.at)) first = ring
    return first
  }

  function ringOne(until: number): boolean {
    const first = next(until)
    if (!first) return false
    rings.delete(first)
    now = Math.max(now, first.at)
    first.ring()
    return true
  }

  return {
    now: () => now,
    ticks: () => now,
    after(ms, ring) {
      const one = { at: now + Math.max(0, ms), ring }
      rings.add(one)
      return () => void rings.delete(one)
    },
    move(ms) {
      const until = now + ms
      while (ringOne(until));
      now = until
    },
    async pass(ms) {
      const until = now + ms
      await settled()
      while (ringOne(until)) await settled()
      now = until
    },
    waiting: () => rings.size,
  }
}

/** Whatever can go on without the clock or the network has gone on. */
export async function settled(rounds = 6): Promise<void> {
  for (let round = 0; round < rounds; round++) await new Promise((resolve) => setImmediate(resolve))
}
