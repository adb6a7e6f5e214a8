/** Ends a stream that has fallen silent, on time, whatever the SDK underneath is waiting for. Four of five hang for minutes. */
import { type Clock, systemClock } from './clock.ts'
import { guarded } from './guarded.ts'
import type { ModelEvent, ModelRequest, Provider } from './model.ts'

export interface Deadlines {
  /** Until the first word, thought or call; the bare `start` does not count. */
  first: number
  /** Between two events. */
  idle: number
  /** Between two events while it thinks, and until the first one if it was told to think. */
  thinking: number
  /** For the whole stream. */
  total: number
}

export const patience: Deadlines = { first: 30_000, idle: 20_000, thinking: 60_000, total: 600_000 }
/** A local model may first have to be read from disk. */
export const localPatience: Deadlines = { ...patience, first: 120_000, thinking: 120_000 }

/** The time that the reader takes between two events is not counted: only waiting for the provider is. */
export const watched = (provider: Provider, deadlines: Deadlines = patience, clock: Clock = systemClock): Provider => ({
  ...provider,
  stream: (request, { signal }) => watch(provider, request, signal, deadlines, clock),
})

function watch(
  provider: Provider,
  request: ModelRequest,
  signal: AbortSignal,
  deadlines: Deadlines,
  clock: Clock,
): AsyncIterable<ModelEvent> {
  const thinks = request.effort !== undefined && request.effort !== 'none'
  const inner = new AbortController()
  let limit = thinks ? Math.max(deadlines.first, deadlines.thinking) : deadlines.first
  let end = 0
  let due = Number.POSITIVE_INFINITY // nobody is waiting yet
  let partial = false
  let stalled = false
  let takeBack: (() => void) | undefined

  /** One timer for the whole stream, set again only when it fires early: no timer per token. */
  const check = () => {
    const now = clock.now()
    if (now < due) {
      takeBack = clock.after(Math.max(1, Math.min(due, end, now + limit) - now), check)
      return
    }
    stalled = true
    events.interrupt()
  }

  const events = guarded(provider.stream(request, { signal: AbortSignal.any([signal, inner.signal]) }), {
    waits() {
      const now = clock.now()
      end ||= now + deadlines.total
      due = Math.min(now + limit, end)
      if (!takeBack) check()
    },
    passes(event) {
      due = Number.POSITIVE_INFINITY
      if (event.t === 'text' && event.d !== '') partial = true
      if (event.t === 'start') return event
      const shorter = event.t === 'think' ? deadlines.thinking : deadlines.idle
      if (shorter < limit) {
        takeBack?.()
        takeBack = clock.after(shorter, check)
      }
      limit = shorter
      return event
    },
    ended: () => undefined,
    threw: (error) => ({ t: 'fail', kind: 'network', message: String(error), partial }),
    interrupted: () =>
      stalled
        ? { t: 'fail', kind: 'stall', message: `${provider.name} stayed silent too long`, partial }
        : { t: 'fail', kind: 'abort', message: 'the call was aborted', partial },
    over() {
      takeBack?.()
      signal.removeEventListener('abort', events.interrupt)
      inner.abort()
    },
  })
  signal.addEventListener('abort', events.interrupt, { once: true })
  if (signal.aborted) events.interrupt()
  return events
}
