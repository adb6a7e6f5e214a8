/** What waits in the inbox of an actor, and what was sent there from here: taken in, in order, by whoever has the actor. */
import { Refusal } from '../../machines/refusal.ts'
import type { Verdict } from '../../sql/inbox.ts'
import type { Ownership } from '../cluster/ownership.ts'
import type { Log } from '../watch/log.ts'
import type { Ask, KeptEvent, Needs as HostNeeds, Told } from './host.ts'

/** The shard went to another node while this event waited. */
export class Moved extends Error {
  override readonly name = 'Moved'
}

export interface Inbox {
  readonly tenant: string
  readonly actor: string
  readonly shard: number
  /** Events from here that were kept for another owner, and of which nobody knows yet what became. */
  sent: number
}

/** Waiting events that are read at once. */
const PORTION = 64
/** The epoch of no shard. */
const NOBODYS = -1

interface Needs<I extends Inbox> extends Pick<HostNeeds, 'elsewhere' | 'waiting' | 'settled'> {
  log: Log
  ownership: Pick<Ownership, 'epochOf' | 'ousted'>
  /** Steps: throws a refusal, or `Moved` where the actor is not ours any more. */
  apply(inbox: I, ask: Ask): Promise<Told>
  isClosed(): boolean
}

/** All of it in the mailbox of the actor, where nothing else is done for it. */
export function createIntake<I extends Inbox>({ elsewhere, waiting, settled, log, ownership, apply, isClosed }: Needs<I>) {
  /** An event that waits. False: what became of it is not ours to say. Throws like `apply`. */
  async function take(inbox: I, kept: KeptEvent): Promise<boolean> {
    const { tenant, actor, shard } = inbox
    const { dedup, envelope, birth } = kept
    const place: Verdict = { tenant, actor, shard, epoch: ownership.epochOf(shard) ?? NOBODYS }
    const ask: Ask = { tenant, actor, envelope, dedup, inside: true, pending: true, ...(birth && { birth }) }
    let told: Told
    try {
      told = await apply(inbox, ask)
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      // It is looked at again in a while.
      if (await settled(place, kept, { refusal: error }).catch(() => true)) throw error
      return false
    }
    return await settled(place, kept, { told })
  }

  return {
    /** Keeps an event for whoever has the actor. */
    async sendOff(inbox: I, ask: Ask): Promise<{ told: Promise<Told> }> {
      const kept = await elsewhere(ask)
      inbox.sent++
      const known = () => void inbox.sent--
      kept.told.then(known, known)
      return kept
    },
    /** False: something is left that could not be applied; what is another node's by now is not. */
    async takeAll(inbox: I): Promise<boolean> {
      const failed = new Set<string>()
      for (;;) {
        const found = await waiting(inbox, PORTION + failed.size).catch((error: Error) => {
          log.warn({ err: error, actor: inbox.actor }, 'events that wait could not be read')
        })
        if (!found) return true // the next round looks again
        const fresh = found.filter(({ dedup }) => !failed.has(dedup))
        if (fresh.length === 0) return failed.size === 0
        for (const kept of fresh) {
          if (isClosed()) return false
          try {
            if (await take(inbox, kept)) continue
            // Whoever has it now takes in what waits.
            await ownership.ousted(inbox.shard)
            return true
          } catch (error) {
            if (error instanceof Refusal) failed.add(kept.dedup)
            else {
              if (!(error instanceof Moved)) log.warn({ err: error, actor: inbox.actor }, 'what became of an event could not be noted')
              return true
            }
          }
        }
      }
    },
  }
}
