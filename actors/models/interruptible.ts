/** Reads an iterator that can be walked away from, even while it hangs. */
export interface Interruptible<T> {
  /** The next result, or undefined once interrupted. */
  next(): Promise<IteratorResult<T, unknown> | undefined>
  interrupt(): void
  /** Tells the source that nobody listens any more. Does not wait: a hanging source would never answer. */
  leave(): void
}

/** One resolver is kept instead of a race per event: `Promise.race` against a long-lived promise leaks a reaction each time. */
export function interruptible<T>(source: AsyncIterable<T>): Interruptible<T> {
  const iterator = source[Symbol.asyncIterator]()
  let interrupted = false
  let wake: (() => void) | undefined
  return {
    next: () => {
      if (interrupted) return Promise.resolve(undefined)
      return new Promise((resolve, reject) => {
        wake = () => resolve(undefined)
        iterator.next().then(resolve, reject)
      })
    },
    interrupt: () => {
      interrupted = true
      wake?.()
    },
    leave: () => {
      // Whatever the source says on its way out is of no use to anybody.
      iterator.return?.()?.then(undefined, () => {})
    },
  }
}
