/** The contract of a provider, kept in one place for all of them: never a throw, never a silent end, never deaf to an abort. */
import { faultOf, type Fault } from './fault.ts'
import { guarded } from './guarded.ts'
import type { ModelEvent } from './model.ts'

interface Told {
  signal: AbortSignal
  /** Must not appear in a message, whatever a provider echoes. */
  secret?: string | undefined
  /** Headers of the response, filled in by the wire once they are there. */
  heard?: { headers?: Headers | undefined }
}

/**
 * Success only with a terminal marker: a reading that stops without `end` was cut off, because every SDK also
 * ends normally when a proxy closes the connection, and most do when they are aborted.
 */
export function honest(reading: AsyncIterable<ModelEvent>, { signal, secret, heard }: Told): AsyncIterable<ModelEvent> {
  let partial = false
  const fail = (fault: Fault): ModelEvent => ({ t: 'fail', ...fault, message: hide(fault.message, secret), partial })
  const aborted = (): ModelEvent => fail({ kind: 'abort', message: 'the call was aborted' })

  const events = guarded(reading, {
    passes(event) {
      if (signal.aborted) return aborted()
      if (event.t === 'text' && event.d !== '') partial = true
      return event.t === 'fail' ? fail(event) : event
    },
    ended: () => (signal.aborted ? aborted() : fail({ kind: 'truncated', message: 'the stream ended without its terminal marker' })),
    threw(error) {
      if (signal.aborted) return aborted()
      const fault = faultOf(error, heard?.headers)
      // Our signal is quiet, so this abort is the other side's doing.
      return fail(fault.kind === 'abort' ? { ...fault, kind: 'network' } : fault)
    },
    interrupted: aborted,
    over: () => signal.removeEventListener('abort', events.interrupt),
  })
  signal.addEventListener('abort', events.interrupt, { once: true })
  if (signal.aborted) events.interrupt()
  return events
}

const hide = (message: string, secret: string | undefined) => (secret && secret.length > 3 ? message.replaceAll(secret, '•••') : message)
