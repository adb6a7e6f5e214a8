/**
 * Events for actors that live elsewhere: durable first, then a word to the owner, then what became of it by its echo. Nothing here is
 * needed for an event to be applied: an owner that hears no word finds it in its inbox, and a lost echo is looked up.
 */
import { randomUUID } from 'node:crypto'
import { Refusal, type RefusalCode } from '../../machines/refusal.ts'
import type { Database } from '../../sql/database.ts'
import { fateOf, keepEnvelope } from '../../sql/inbox.ts'
import type { Clock } from '../host/clock.ts'
import type { Ask, Effect, Fate, KeptEvent, Told } from '../host/host.ts'
import type { Envelope } from '../host/tree.ts'
import type { Membership } from './membership.ts'
import type { Place } from './place.ts'
import type { Letter, Peer } from './post.ts'

export interface Dispatch {
  elsewhere(ask: Ask): Promise<{ told: Promise<Told> }>
  echo(place: Place, kept: KeptEvent, fate: Fate): void
  /** True: it was a letter for us. */
  hear(letter: Letter): boolean
  counts(): { waiting: number }
}

interface Needs {
  db: Database
  membership(): Pick<Membership, 'me' | 'shardOf' | 'ownerOf'>
  send(to: Peer, letter: Letter): void
  /** Applies what waits for an actor of ours. */
  takeIn(tenant: string, actor: string): void
  clock: Clock
  /** Events that may wait for one actor. */
  most: number
}

/** Milliseconds until the first look whether the echo got lost, between further ones, and until nobody waits any more. */
const FIRST = 250
const NEXT = 500
const PATIENCE = 10_000

/** The end of a piece of work is told once, whoever tells it; has_end_waiting in 012_fenced.sql spells it likewise. */
const keyOf = (envelope: Envelope): string =>
  'call' in envelope && !('event' in envelope)
    ? `call:${envelope.call}`
    : 'timer' in envelope
      ? `timer:${envelope.timer}`
      : `ask:${randomUUID()}`

interface Echo {
  duplicate?: true
  effect?: Effect
  code?: RefusalCode
  details?: unknown
}

export function createDispatch({ db, membership, send, takeIn, clock, most }: Needs): Dispatch {
  /** Who waits to hear what became of an event. */
  const waiting = new Map<string, Set<(echo: Echo) => void>>()
  const nameOf = ({ tenant, actor }: Place, dedup: string) => `${tenant}/${actor}#${dedup}`

  /** `isPassedOn`: it came to us from somebody who has not heard that we gave the actor away. Passed on once it goes no further. */
  function wake({ tenant, actor }: Place, isPassedOn = false) {
    const owner = membership().ownerOf(membership().shardOf(actor))
    if (!owner) return // whoever gets the shard looks for what waits
    if (owner.life === membership().me.life) takeIn(tenant, actor)
    else send(owner, { type: 'wake', tenant, actor, ...(isPassedOn && { isPassedOn }) })
  }

  function settle(name: string, echo: Echo) {
    for (const tell of waiting.get(name) ?? []) tell(echo)
  }

  function outcome(place: Place, dedup: string): Promise<Told> {
    const name = nameOf(place, dedup)
    return new Promise((resolve, reject) => {
      let takeBack = () => {}
      const tell = ({ duplicate, effect, code, details }: Echo) => {
        takeBack()
        hearers.delete(tell)
        if (hearers.size === 0) waiting.delete(name)
        if (code) reject(new Refusal(code, { details }))
        else if (duplicate || !effect) resolve({ duplicate: true })
        else resolve({ duplicate: false, step: effect })
      }
      // The same message may come several times at once.
      const hearers = waiting.get(name) ?? new Set()
      waiting.set(name, hearers.add(tell))
      const until = clock.ticks() + PATIENCE
      let wasApplied = false
      const look = (ms: number) => {
        takeBack = clock.after(ms, async () => {
          const fate = await fateOf(db, place.tenant, place.actor, dedup).catch(() => 'waiting' as const)
          if (!hearers.has(tell)) return
          // Its echo may be on its way still, and says more.
          if (fate === 'applied' && wasApplied) return tell({ duplicate: true })
          wasApplied = fate === 'applied'
          // It is kept, or its key is free again: either way the sender may ask once more under the same key.
          if (fate === undefined || clock.ticks() > until) return tell({ code: 'store.unavailable' })
          wake(place)
          look(NEXT)
        })
      }
      look(FIRST)
    })
  }

  return {
    async elsewhere({ tenant, actor, envelope, birth, dedup = keyOf(envelope), inside }) {
      const place = { tenant, actor }
      const { node, life } = membership().me
      const kept = await keepEnvelope(
        db,
        { ...place, shard: membership().shardOf(actor) },
        dedup,
        { envelope, ...(birth && { birth }), ...(!inside && { origin: { node, life } }) },
        // What comes from inside was counted when it was let in.
        inside ? 2_147_483_647 : most,
      )
      if (kept === 'full') throw new Refusal('mailbox.full')
      if (kept === 'applied') return { told: Promise.resolve({ duplicate: true }) }
      const told = inside ? Promise.resolve<Told>({ duplicate: true }) : outcome(place, dedup)
      wake(place)
      return { told }
    },
    echo(place, { dedup, origin }, fate) {
      if (!origin) return
      const echo: Echo =
        'refusal' in fate
          ? { code: fate.refusal.code, details: fate.refusal.details }
          : fate.told.duplicate
            ? { duplicate: true }
            : { effect: { emits: fate.told.step.emits, cancels: fate.told.step.cancels, disarms: fate.told.step.disarms } }
      const name = nameOf(place, dedup)
      if (origin.life === membership().me.life) settle(name, echo)
      else send(origin, { type: 'echo', name, echo })
    },
    hear(letter) {
      if (letter.type === 'wake') {
        const { tenant, actor, isPassedOn } = letter as Letter & Place & { isPassedOn?: boolean }
        if (isPassedOn) takeIn(tenant, actor)
        else wake({ tenant, actor }, true)
      } else if (letter.type === 'echo') settle(letter.name as string, letter.echo as Echo)
      else return false
      return true
    },
    counts: () => ({ waiting: waiting.size }),
  }
}
