/** Time as a parameter: the system's own, or one that a test moves by hand. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number
  /** Calls back once after so many milliseconds; the answer takes it back. */
  after(ms: number, ring: () => void): () => void
}

export const systemClock: Clock = {
  now: Date.now,
  after(ms, ring) {
    const timer = setTimeout(ring, ms)
    return () => clearTimeout(timer)
  },
}
