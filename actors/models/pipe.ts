/** From whoever tells to the one who reads, without a generator between: every token goes through here. */
interface Telling<T> {
  tell(event: T): void
  /** Aborted when nobody reads any more. */
  signal: AbortSignal
}

/** Begins with the first look. What is told before it is asked for waits; what the teller throws, the reader gets. */
export function pipe<T>(run: (telling: Telling<T>) => Promise<void>): AsyncIterable<T> {
  type Result = IteratorResult<T, undefined>
  const unread = new AbortController()
  const waiting: T[] = []
  let begun = false
  let isOver = false
  let reason: { error: unknown } | undefined
  let reader: { resolve(result: Result): void; reject(error: unknown): void } | undefined

  function tell(event: T) {
    if (isOver) return
    if (!reader) return void waiting.push(event)
    const { resolve } = reader
    reader = undefined
    resolve({ done: false, value: event })
  }

  function end(failure?: { error: unknown }) {
    if (isOver) return
    isOver = true
    reason = failure
    if (!reader) return
    if (failure) reader.reject(failure.error)
    else reader.resolve({ done: true, value: undefined })
    reason = undefined
  }

  const next = () =>
    new Promise<Result>((resolve, reject) => {
      if (!begun) {
        begun = true
        run({ tell, signal: unread.signal }).then(
          () => end(),
          (error) => end({ error }),
        )
      }
      if (waiting.length > 0) return resolve({ done: false, value: waiting.shift() as T })
      if (!isOver) {
        reader = { resolve, reject }
        return
      }
      if (reason) reject(reason.error)
      else resolve({ done: true, value: undefined })
      reason = undefined
    })

  return {
    [Symbol.asyncIterator]: () => ({
      next,
      async return(): Promise<Result> {
        isOver = begun = true
        waiting.length = 0
        unread.abort()
        return { done: true, value: undefined }
      },
    }),
  }
}
