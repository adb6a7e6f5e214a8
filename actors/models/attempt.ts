/** One call to one candidate, which can be listened to up to its first token before anybody decides for it. */
import type { Bill } from './bill.ts'
import type { ModelEvent, Provider } from './model.ts'
import type { Candidate } from './tiers.ts'

export interface Attempt {
  candidate: Candidate
  bill: Bill
  /** Resolves at the first token or at the end: true if there is something worth listening to. */
  begun: Promise<boolean>
  /** One event after the other, from the beginning; undefined at the end. */
  next(): Promise<ModelEvent | undefined>
  /** Nobody wants it any more. */
  drop(): void
}

interface Calling {
  candidate: Candidate
  bill: Bill
  provider: Provider
  request: Parameters<Provider['stream']>[0]
  signal: AbortSignal
}

export function attempt({ candidate, bill, provider, request, signal }: Calling): Attempt {
  const unwanted = new AbortController()
  const stream = provider.stream(request, { signal: AbortSignal.any([signal, unwanted.signal]) })[Symbol.asyncIterator]()
  const early: ModelEvent[] = []
  const noted = ({ done, value }: IteratorResult<ModelEvent>): ModelEvent | undefined => {
    if (!done) bill.note(value)
    return done ? undefined : value
  }
  // No provider may throw; one that does must not take the conversation with it.
  const thrown = (error: unknown): ModelEvent => ({ t: 'fail', kind: 'network', message: String(error), partial: false })
  const pull = () => stream.next().then(noted, thrown)

  const listen = async (): Promise<boolean> => {
    for (;;) {
      const event = await pull()
      if (!event) return false
      early.push(event)
      if (event.t === 'fail') return false
      if (event.t !== 'start' && event.t !== 'usage') return true
    }
  }
  const begun = listen()

  return {
    candidate,
    bill,
    begun,
    next: () => (early.length > 0 ? Promise.resolve(early.shift()) : pull()),
    drop: () => {
      unwanted.abort()
      void stream.return?.()
    },
  }
}
