/** Brings messages to the server, under the same id until somebody answers. */
import { type Entry as Noted, now } from '../chaos/journal.ts'
import type { Entry, Ledger } from './ledger.ts'
import type { Line } from './line.ts'
import type { Tally } from './tally.ts'

export type Refusal = { ok: false; code: string; message: string; retryAfter?: number }
export type Told<A> = ({ ok: true } & A) | Refusal

/** Codes by which a server says: not now, come again. */
const passing = new Set(['store.unavailable', 'server.draining'])

/** Milliseconds before something is asked again, unless the server says how many seconds. */
export const AGAIN = 500
/** Half of it is the least that the draw makes of it: never sooner than was asked for. */
export const againAfter = ({ retryAfter }: Refusal): number => (retryAfter ?? 0) * 2_000 || AGAIN

export interface OutboxNeeds {
  conversation: string
  ledger: Ledger
  tally: Tally
  ask: Line['ask']
  keep(entry: Noted): void
  later(ms: number, then: () => void): void
}

export function createOutbox({ conversation, ledger, tally, ask, keep, later }: OutboxNeeds) {
  let connection = 0

  function send(entry: Entry) {
    const { id, text } = entry
    entry.on = connection
    if (entry.tries++ > 0) tally.count('resent')
    keep({ t: 'sent', at: now(), id, text, tries: entry.tries })
    ask('message.send', { conversation, id, text }, (answer: Told<{ seq: number }>) => {
      const at = now()
      if (answer.ok) {
        keep({ t: 'accepted', at, id, seq: answer.seq })
        return ledger.acknowledged(entry, answer.seq, at)
      }
      keep({ t: 'refused', at, id, code: answer.code })
      tally.refuse(answer.code)
      if (!passing.has(answer.code)) return ledger.refused(entry)
      entry.on = undefined
      later(againAfter(answer), sendAll)
    })
  }

  /** Whatever nobody has answered and is not on its way. */
  function sendAll() {
    for (const entry of ledger.unsettled()) if (entry.on !== connection) send(entry)
  }

  return {
    sendAll,
    /** What was on its way is so no longer. */
    lost() {
      connection++
    },
  }
}
