/** One call to one candidate, which can be listened to up to its first token before anybody decides for it. */
import type { Bill } from './bill.ts'
import type { ModelEvent, Provider } from './model.ts'
import type { Candidate } from './tiers.ts'

export interface Attempt {
  candidate: Candidate
  bill: Bill
  /** Resolves at the first token or at the end: true if there is something worth listening to. */
  begun: Promise<boolean>
  /** Everything from the beginning. To be read once. */
  events(): AsyncGenerator<ModelEvent>
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
  const next = async (): Promise<ModelEvent | undefined> => {
    try {
      const { done, value } = await stream.next()
      if (!done) bill.note(value)
      return done ? undefined : value
    } catch (error) {
      // No provider may throw; one that does must not take the conversation with it.
      return { t: 'fail', kind: 'network', message: String(error), partial: false }
    }
  }

  const listen = async (): Promise<boolean> => {
    for (;;) {
      const event = await next()
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
    async *events() {
      try {
        await begun
        yield* early
        if (early.at(-1)?.t === 'fail' || early.at(-1)?.t === 'end') return
        for (;;) {
          const event = await next()
          if (!event) return
          yield event
        }
      } finally {
        unwanted.abort()
        void stream.return?.()
      }
    },
    drop: () => {
      unwanted.abort()
      void stream.return?.()
    },
  }
}
