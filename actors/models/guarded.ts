/**
 * A layer of a model's stream, which passes events on and has the last word. Written by hand and not as a generator, because every
 * token goes through it: an event costs a promise or two here, and a generator costs five.
 */
import type { ModelEvent } from './model.ts'

export interface Guard {
  /** Somebody waits for the next event. */
  waits?(): void
  /** Sees each event; its answer is passed on, and is the last one if it is an `end` or a `fail`. */
  passes(event: ModelEvent): ModelEvent
  /** The source ended or threw without one of those: what to say instead, or nothing. */
  ended(): ModelEvent | undefined
  threw(error: unknown): ModelEvent
  interrupted(): ModelEvent
  /** It is over, in whatever way. Told once. */
  over(): void
}

export interface Guarded extends AsyncIterableIterator<ModelEvent> {
  /** Ends the waiting at once, even while the source hangs. */
  interrupt(): void
}

type Result = IteratorResult<ModelEvent, undefined>

const done: Result = { done: true, value: undefined }

/** Reads the source from the first `next` on, one event at a time. */
export function guarded(source: AsyncIterable<ModelEvent>, guard: Guard): Guarded {
  const iterator = source[Symbol.asyncIterator]()
  let isOver = false
  let isInterrupted = false
  /** One resolver is kept instead of a race per event: `Promise.race` against a long-lived promise leaks a reaction each time. */
  let answer: ((result: Result) => void) | undefined

  function finish() {
    if (isOver) return
    isOver = true
    guard.over()
    // Tells the source that nobody listens any more. Does not wait: a hanging source would never answer.
    iterator.return?.()?.then(undefined, () => {})
  }

  function last(event: ModelEvent | undefined): Result {
    finish()
    return event ? { done: false, value: event } : done
  }

  function passed(event: ModelEvent): Result {
    const passing = guard.passes(event)
    return passing.t === 'end' || passing.t === 'fail' ? last(passing) : { done: false, value: passing }
  }

  function tell(result: () => Result) {
    const hear = answer
    answer = undefined
    // After an interruption nobody waits for what the source says on its way out.
    hear?.(result())
  }
  const heard = (result: IteratorResult<ModelEvent>) => tell(() => (result.done ? last(guard.ended()) : passed(result.value)))
  const failed = (error: unknown) => tell(() => last(guard.threw(error)))

  const self: Guarded = {
    [Symbol.asyncIterator]: () => self,
    next: () =>
      new Promise<Result>((resolve) => {
        if (isOver) return resolve(done)
        if (isInterrupted) return resolve(last(guard.interrupted()))
        answer = resolve
        guard.waits?.()
        iterator.next().then(heard, failed)
      }),
    async return() {
      finish()
      return done
    },
    interrupt() {
      isInterrupted = true
      tell(() => last(guard.interrupted()))
    },
  }
  return self
}
