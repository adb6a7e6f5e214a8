/** A server that goes on with a beginning may repeat all of it first, as Mistral does, or nothing. */
import type { Inlined } from './inlined.ts'
import type { ModelEvent, ModelRequest } from './model.ts'

/** Only the whole of it is an echo: an answer may well begin as the last one did. */
export function withoutEcho({ continues, messages }: Pick<ModelRequest, 'continues' | 'messages'>, inlined: Inlined): Inlined {
  const last = messages.at(-1)
  if (!continues || last?.role !== 'assistant') return inlined
  const given = last.text
  let kept: string | undefined = ''

  function* heard(events: ModelEvent[], isOver: boolean): Generator<ModelEvent> {
    for (const event of events) {
      if (event.t !== 'text' || kept === undefined) yield event
      else {
        kept += event.d
        if (kept.length < given.length && given.startsWith(kept)) continue
        yield { t: 'text', d: kept.startsWith(given) ? kept.slice(given.length) : kept }
        kept = undefined
      }
    }
    if (!isOver || !kept) return
    yield { t: 'text', d: kept }
    kept = undefined
  }
  return { read: (d) => [...heard(inlined.read(d), false)], rest: () => [...heard(inlined.rest(), true)] }
}
