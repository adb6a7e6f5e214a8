/**
 * Words of work that goes on where its conversation no longer lives: they go to the owner, which alone tells them. An owner takes them only
 * from work that its actor still waits for; a new owner is told the whole text first.
 */
import type { Clock } from '../host/clock.ts'
import type { Host } from '../host/host.ts'
import type { Note, Speaker, Speeches } from '../host/speech.ts'
import type { Log } from '../watch/log.ts'
import { type Frame, roomOf } from './bus.ts'
import type { Membership } from './membership.ts'
import { placeOf } from './place.ts'
import type { Letter, Peer } from './post.ts'
import type { Live } from './stage.ts'

export interface Errands {
  /** Takes a frame to the owner of its conversation. */
  carry(frame: Frame, shard: number): void
  /** Tells owners that have changed what was said so far: of this work, or of all. */
  introduce(work?: string): void
  /** A speaker of this node has stopped. True: it spoke for another. */
  stopped(speaker: Speaker, note: Note): boolean
  /** As the owner: a frame from a speaker elsewhere. */
  said(from: Peer, frame: Frame): void
  /** As a speaker: the owner has missed words of this work, or of all that we say to it. */
  missed(from: Peer, work?: Work): void
}

/** A piece of work has its number among those of its actor: others have the same. */
interface Work {
  room: string
  work: string
}

interface Needs {
  membership(): Pick<Membership, 'shardOf' | 'voiceOf' | 'ownerOf'>
  engine(): { host: Pick<Host, 'wants' | 'meet'>; speeches: Speeches }
  send(to: Peer, letter: Letter): void
  /** Tells watchers, as the owner. */
  tell(frame: Frame): void
  clock: Clock
  log: Log
}

/** Milliseconds until somebody is asked once more: who speaks for an actor that is not at hand, or whose missing words have not come. */
const AGAIN = 500
/** Pieces that wait for an actor; of more the words are asked for. */
const HELD = 64

type Heard = [from: Peer, frame: Frame]

export function createErrands({ membership, engine, send, tell, clock, log }: Needs): Errands {
  /** By work: the life that has all of its words. */
  const introduced = new Map<string, string>()
  /** Work whose words were asked for a moment ago: every further piece of it that comes before them shows the same gap. */
  const asked = new Set<string>()
  /** What was said for actors that are not at hand, while they are fetched to see whether somebody may speak for them. */
  const held = new Map<string, Heard[]>()

  function introduce(only?: string) {
    for (const { place, text } of engine().speeches.speakers()) {
      const { tenant, actor, turn, attempt, work } = place
      if (work === undefined) continue
      const room = roomOf(tenant, actor)
      const name = nameOf({ room, work })
      if (only !== undefined && only !== name) continue
      const shard = membership().shardOf(actor)
      const owner = membership().ownerOf(shard)
      if (!owner || membership().voiceOf(shard) !== undefined) continue
      if (only === undefined && introduced.get(name) === owner.life) continue
      introduced.set(name, owner.life)
      const payload = { conversation: actor, turn, attempt, offset: 0, text: text() }
      send(owner, { type: 'said', room, name: 'reply.delta', payload, work })
    }
  }

  function miss(from: Peer, { room, work }: Work) {
    const name = nameOf({ room, work })
    if (asked.has(name)) return
    asked.add(name)
    clock.after(AGAIN, () => asked.delete(name))
    send(from, { type: 'words.missed', room, work })
  }

  /** Nobody can say whether this work is wanted before the actor is at hand: what is said for it meanwhile waits. */
  async function hold(from: Peer, frame: Frame, { room, work }: Work) {
    const waiting = held.get(room)
    if (waiting) {
      if (waiting.length < HELD) waiting.push([from, frame])
      return
    }
    held.set(room, [[from, frame]])
    try {
      const { tenant, actor } = placeOf(room)
      const { host } = engine()
      const isAtHand = () => host.wants(tenant, actor, work) !== undefined
      await host.meet(tenant, actor)
      // Neither can it be said where the store is away, or while the actor is about to go elsewhere.
      if (!isAtHand()) await new Promise<void>((resolve) => clock.after(AGAIN, resolve))
      if (isAtHand()) letGo(room)
      else miss(from, { room, work })
    } finally {
      held.delete(room)
    }
  }

  /** What has waited comes before anything that is said now. */
  function letGo(room: string) {
    for (const [from, frame] of held.get(room)?.splice(0) ?? []) hear(from, frame)
  }

  /** A piece that cannot be read ends nothing but itself. */
  function hear(from: Peer, frame: Frame) {
    try {
      take(from, frame)
    } catch (error) {
      unheard(error, frame.room)
    }
  }

  const unheard = (error: unknown, room: string) =>
    log.error({ err: error, ...placeOf(room) }, 'what is said elsewhere for this actor could not be heard')

  function take(from: Peer, { room, name, payload, work }: Frame) {
    const { tenant, actor } = placeOf(room)
    if (work === undefined || membership().voiceOf(membership().shardOf(actor)) === undefined) return
    const { host, speeches } = engine()
    if (!host.wants(tenant, actor, work)) return send(from, { type: 'cancel', tenant, actor, id: work })
    if (name !== 'reply.delta') return tell({ room, name, payload })
    const { turn, attempt, offset, text } = payload as Live & { offset: number }
    if (speeches.hear({ tenant, actor, turn, attempt, work }, offset, text)) asked.delete(nameOf({ room, work }))
    else miss(from, { room, work })
  }

  function said(from: Peer, frame: Frame) {
    const { room, work } = frame
    const { tenant, actor } = placeOf(room)
    if (work === undefined || membership().voiceOf(membership().shardOf(actor)) === undefined) return
    if (engine().host.wants(tenant, actor, work) === undefined)
      return void hold(from, frame, { room, work }).catch((error) => unheard(error, room))
    letGo(room)
    hear(from, frame)
  }

  return {
    introduce,
    carry({ room, name, payload, work }, shard) {
      const owner = membership().ownerOf(shard)
      // What is durable the owner tells from the store: it would come twice.
      if (!owner || 'seq' in payload) return
      if (work !== undefined && name === 'reply.delta') introduced.set(nameOf({ room, work }), owner.life)
      send(owner, { type: 'said', room, name, payload, work })
    },
    stopped(speaker, note) {
      const shard = membership().shardOf(speaker.actor)
      if (speaker.work) introduced.delete(nameOf({ room: roomOf(speaker.tenant, speaker.actor), work: speaker.work }))
      if (membership().voiceOf(shard) !== undefined) return false
      const owner = membership().ownerOf(shard)
      if (owner) send(owner, { type: 'stopped', speaker, note })
      return true
    },
    said,
    missed(from, work) {
      if (!work) for (const [one, life] of introduced) if (life === from.life) introduced.delete(one)
      introduce(work && nameOf(work))
    },
  }
}

const nameOf = ({ room, work }: Work) => `${room}#${work}`
