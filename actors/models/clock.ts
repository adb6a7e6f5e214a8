/** Time as a parameter: every wait in this room goes through here, so tests never sleep. */
export interface Clock {
  now(): number
  /** Runs `then` after `ms`; the returned function takes it back. */
  after(ms: number, then: () => void): () => void
}

export const systemClock: Clock = {
  now: () => performance.timeOrigin + performance.now(),
  after: (ms, then) => {
    const timer = setTimeout(then, ms)
    return () => clearTimeout(timer)
  },
}

/** Waits, or stops waiting as soon as the signal is aborted. False means it was cut short. */
export const pause = (clock: Clock, ms: number, signal: AbortSignal): Promise<boolean> =>
  new Promise((resolve) => {
    if (signal.aborted) return resolve(false)
    const stop = () => {
      takeBack()
      resolve(false)
    }
    const takeBack = clock.after(ms, () => {
      signal.removeEventListener('abort', stop)
      resolve(true)
    })
    signal.addEventListener('abort', stop, { once: true })
  })
