/**
 * One conversation, one path: everything that its watchers hear goes from the node that speaks to the owner, and from the owner to every
 * node that has watchers, in the order in which the owner told it. Frames carry the epoch of the shard: who was replaced is not heard.
 * Nothing is buffered for a neighbour: what got lost is read from the store, or asked for anew.
 */
import type { Clock } from '../host/clock.ts'
import type { Host } from '../host/host.ts'
import type { Note, Speaker, Speeches } from '../host/speech.ts'
import type { Log } from '../watch/log.ts'
import { createAudience } from './audience.ts'
import { type Bus, type Frame, roomOf } from './bus.ts'
import { createErrands } from './errands.ts'
import type { Membership } from './membership.ts'
import { type Place, placeOf } from './place.ts'
import type { Letter, Peer } from './post.ts'
import { LEASE } from './proof.ts'
import type { Stage } from './stage.ts'
import { TICK, createWatching } from './watching.ts'

export interface Relay extends Bus, Stage {
  /** The letters that it answers to; true: it was one of them. */
  hear(from: Peer, letter: Letter): boolean
  /** Letters of this peer are missing. */
  gap(from: Peer): void
  /** The conversation exists from now on; those who watch it on any node are told whose it is. */
  born(place: Place, owner: string): void
  /** A speaker of this node has stopped. True: it spoke for another. */
  stopped(speaker: Speaker, note: Note): boolean
  gained(shards: ReadonlySet<number>): void
  lost(shards: ReadonlySet<number>): void
  /** Nodes or owners have changed. */
  charted(): void
  /** A life of this node begins: letters to the one before come no more. */
  anew(): void
  /** Our lease is proven after a while without: whatever was not told meanwhile is told now. */
  resumed(): void
  counts(): { mirrors: number; watchers: number; stale: number }
}

interface Needs {
  local: Bus
  membership(): Pick<Membership, 'shardOf' | 'voiceOf' | 'ownerOf' | 'chart' | 'isSilent' | 'isDoubtful' | 'peers'>
  engine(): { host: Pick<Host, 'position' | 'refresh' | 'wants' | 'meet'>; speeches: Speeches }
  send(to: Peer, letter: Letter): void
  /** Whoever is no owner may not hear of a conversation. */
  begun(place: Place, owner: string): void
  /** Where the conversation stands in the store; undefined: nobody has begun it. */
  position(tenant: string, actor: string): Promise<number | undefined>
  events(place: Place, after: number, last: number): Promise<{ seq: number; name: string; payload: object }[]>
  clock: Clock
  log: Log
}

export function createRelay(needs: Needs): Relay {
  const { local, membership, engine, send, begun, clock, log } = needs
  const audience = createAudience(send)
  const watching = createWatching(needs)
  const errands = createErrands({ membership, engine, send, tell: publish, clock, log })
  const shardIn = (room: string) => membership().shardOf(placeOf(room).actor)
  /** Who has asked to be let in before a look has shown them, and when by ticks. */
  const strangers = new Map<string, number>()
  let closed = false
  let ticking = false

  function publish(frame: Frame) {
    if (closed || membership().isSilent()) return
    // Each mirror takes it from the message itself: only there it is known whether a page has shown the end already.
    if (frame.isRest) return
    const shard = shardIn(frame.room)
    const epoch = membership().voiceOf(shard)
    if (epoch === undefined) return errands.carry(frame, shard)
    if (membership().isDoubtful()) return // told once it is not so
    watching.own(frame)
    audience.tell(frame, epoch)
  }

  function letIn(from: Peer, room: string) {
    const { tenant, actor } = placeOf(room)
    const epoch = membership().voiceOf(shardIn(room))
    if (epoch === undefined) return // it asks again when it knows better
    audience.letIn(from, room)
    if (
      !membership()
        .peers()
        .some(({ life }) => life === from.life)
    )
      strangers.set(from.life, clock.ticks())
    const { host, speeches } = engine()
    // In one stretch: whatever is told from here on goes to it as well.
    send(from, { type: 'watched', room, epoch, seq: host.position(tenant, actor), live: speeches.live(tenant, actor) })
    tickOn()
  }

  function tickOn() {
    if (ticking || closed) return
    ticking = true
    clock.after(TICK, () => {
      ticking = false
      audience.pulse()
      if (watching.tick() || audience.count() > 0) tickOn()
    })
  }

  const letters: Record<string, (from: Peer, letter: never) => void> = {
    watch: (from, { room }: { room: string }) => letIn(from, room),
    unwatch: (from, { room }: { room: string }) => audience.letOut(from.life, room),
    watched: watching.watched,
    frame: watching.frame,
    said: errands.said,
    pulse() {},
    // A node of a version before names no room: its number alone says nothing.
    'words.missed': (from, { room, work }: { room?: string; work?: string }) =>
      errands.missed(from, room !== undefined && work !== undefined ? { room, work } : undefined),
    stopped: (_, { speaker, note }: { speaker: Speaker; note: Note }) => engine().speeches.heardOut(speaker, note),
    born: (_, { room, owner }: { room: string; owner: string }) => begun(placeOf(room), owner),
  }

  const { joined, stands, position, live, refresh, gained, anew } = watching
  return {
    joined,
    stands,
    position,
    live,
    refresh,
    gained,
    anew,
    publish,
    watch(name, listener) {
      tickOn()
      return watching.watch(name, listener)
    },
    async close() {
      closed = true
      await local.close()
    },
    hear(from, letter) {
      watching.heardFrom(from.life)
      const answer = Object.hasOwn(letters, letter.type) ? letters[letter.type] : undefined
      answer?.(from, letter as never)
      return answer !== undefined
    },
    gap(from) {
      watching.gap(from.life)
      // It may have spoken for us.
      send(from, { type: 'words.missed' })
    },
    born(place, owner) {
      begun(place, owner)
      const room = roomOf(place.tenant, place.actor)
      audience.send(room, { type: 'born', room, owner })
    },
    stopped: errands.stopped,
    lost(shards) {
      audience.leave((room) => shards.has(shardIn(room)))
      watching.lost(shards)
      tickOn()
    },
    charted() {
      const lives = new Set<string>()
      for (const { life } of membership().peers()) {
        lives.add(life)
        strangers.delete(life)
      }
      for (const [life, since] of strangers) if (clock.ticks() - since > LEASE) strangers.delete(life)
      audience.keep(new Set([...lives, ...strangers.keys()]))
      watching.charted(lives)
      // Behind the letter that says whose the shards are: who does not know that they are its own would not listen.
      void Promise.resolve()
        .then(() => errands.introduce())
        .catch((error) => log.error({ err: error }, 'new owners could not be told what is said here for them'))
    },
    resumed() {
      watching.resumed()
      for (const { room, peer } of audience.all()) letIn(peer, room)
    },
    counts: () => ({ ...watching.counts(), watchers: audience.count() }),
  }
}
