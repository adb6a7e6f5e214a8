/** The contract of a provider, kept in one place for all of them: never a throw, never a silent end, never deaf to an abort. */
import { faultOf, type Fault } from './fault.ts'
import { interruptible } from './interruptible.ts'
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
export async function* honest(reading: AsyncIterable<ModelEvent>, { signal, secret, heard }: Told): AsyncGenerator<ModelEvent> {
  let partial = false
  const fail = (fault: Fault): ModelEvent => ({ t: 'fail', ...fault, message: hide(fault.message, secret), partial })
  const aborted = (): ModelEvent => fail({ kind: 'abort', message: 'the call was aborted' })
  if (signal.aborted) return yield aborted()

  const events = interruptible(reading)
  signal.addEventListener('abort', events.interrupt, { once: true })
  try {
    for (;;) {
      const next = await events.next()
      if (!next || signal.aborted) return yield aborted()
      if (next.done) return yield fail({ kind: 'truncated', message: 'the stream ended without its terminal marker' })
      const event = next.value
      if (event.t === 'text' && event.d !== '') partial = true
      if (event.t === 'fail') return yield fail(event)
      yield event
      if (event.t === 'end') return
    }
  } catch (error) {
    if (signal.aborted) return yield aborted()
    const fault = faultOf(error, heard?.headers)
    // Our signal is quiet, so this abort is the other side's doing.
    yield fail(fault.kind === 'abort' ? { ...fault, kind: 'network' } : fault)
  } finally {
    signal.removeEventListener('abort', events.interrupt)
    events.leave()
  }
}

const hide = (message: string, secret: string | undefined) => (secret && secret.length > 3 ? message.replaceAll(secret, '•••') : message)
