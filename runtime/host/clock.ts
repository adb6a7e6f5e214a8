/** Time as a parameter: the system's own, or one that a test moves by hand. */
export interface Clock {
  /** Milliseconds since 1970; set back or forward when the machine's clock is. */
  now(): number
  /** Milliseconds since some moment, for spans: nobody sets them. */
  ticks(): number
  /** Calls back once after so many milliseconds; the answer takes it back. */
  after(ms: number, ring: () => void): () => void
}

export const systemClock: Clock = {
  now: Date.now,
  ticks: () => performance.now(),
  after(ms, ring) {
    const timer = setTimeout(ring, ms)
    return () => clearTimeout(timer)
  },
}
