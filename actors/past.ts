/** What was said before a message does not change, and a turn asks for it twice: to sort the message and to answer it. */
import type { Message } from '../machines/message.ts'

export type ReadPast = (tenant: string, conversation: string, before: string[]) => Promise<Message[]>

/** Turns at hand, and milliseconds for which one counts as the same: a history that is cleared meanwhile is gone for the next. */
const TURNS = 256
const FRESH = 10_000

/** Reads once for all who ask with the same messages within a moment. What failed is read again. */
export function onceATurn(read: ReadPast, clock: () => number): ReadPast {
  const known = new Map<string, { past: Promise<Message[]>; at: number }>()

  function forgetOld(now: number) {
    for (const [key, { at }] of known) {
      if (now - at < FRESH && known.size < TURNS) return
      known.delete(key)
    }
  }

  return (tenant, conversation, before) => {
    const key = JSON.stringify([tenant, conversation, ...before])
    const now = clock()
    const found = known.get(key)
    if (found && now - found.at < FRESH) return found.past
    known.delete(key)
    forgetOld(now)
    const past = read(tenant, conversation, before)
    known.set(key, { past, at: now })
    past.catch(() => known.delete(key))
    return past
  }
}
