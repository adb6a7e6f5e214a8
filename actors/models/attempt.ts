/** One call to one candidate, which can be listened to up to its first token before anybody decides for it. */
import { leaving } from '../work.ts'
import type { Bill } from './bill.ts'
import type { ModelEvent, Provider } from './model.ts'
import type { Candidate } from './tiers.ts'

export interface Attempt {
  candidate: Candidate
  /** It was given a beginning. */
  continues: boolean
  bill: Bill
  /** Resolves at the first token or at the end: true if there is something worth listening to. */
  begun: Promise<boolean>
  /** Tells everything from the beginning, until the listener has heard enough (true) or nothing more comes. To be called once. */
  listen(hear: (event: ModelEvent) => boolean): Promise<void>
  /** Nobody wants it any more. */
  drop(): void
}

interface Calling {
  candidate: Candidate
  bill: Bill
  provider: Provider
  request: Parameters<Provider['stream']>[0]
  signal: AbortSignal
  /** The service has given a ticket, long before anybody listens. */
  opened(ticket: string): void
}

export function attempt({ candidate, bill, provider, request, signal, opened }: Calling): Attempt {
  const unwanted = new AbortController()
  const stream = provider.stream(request, { signal: AbortSignal.any([signal, unwanted.signal]) })[Symbol.asyncIterator]()
  const early: ModelEvent[] = []
  let ticket: string | undefined
  let isWorth: (worth: boolean) => void = () => {}
  const begun = new Promise<boolean>((resolve) => {
    isWorth = resolve
  })
  let hear = (event: ModelEvent): boolean => {
    early.push(event)
    if (event.t !== 'start' && event.t !== 'usage') isWorth(event.t !== 'fail')
    // What comes after the first token waits in the provider until somebody has decided.
    return event.t !== 'start' && event.t !== 'usage'
  }
  let enough = () => isWorth(false)

  // Callbacks and not a loop that awaits: one promise an event, and a thousand streams say sixty thousand events a second.
  const pull = () => void stream.next().then(heard, failed)
  const heard = ({ done, value }: IteratorResult<ModelEvent>) => {
    if (done) return enough()
    bill.note(value)
    if (value.t === 'start' && value.ticket) opened((ticket = value.ticket))
    else if (value.t === 'end') ticket = undefined
    if (hear(value)) enough()
    else pull()
  }
  // No provider may throw; one that does must not take the conversation with it.
  const failed = (error: unknown) => {
    hear({ t: 'fail', kind: 'network', message: String(error), partial: false })
    enough()
  }
  pull()

  return {
    candidate,
    continues: request.continues === true,
    bill,
    begun,
    async listen(listener) {
      await begun
      for (const event of early) if (listener(event)) return
      await new Promise<void>((resolve) => {
        hear = listener
        enough = resolve
        pull()
      })
    },
    drop: () => {
      if (ticket && signal.reason !== leaving) provider.cancel?.(ticket)
      unwanted.abort()
      stream.return?.().catch(() => {}) // its last words are for nobody
    },
  }
}
