/**
 * One conversation, one path: everything that its watchers hear goes from the node that speaks to the owner, and from the owner to every
 * node that has watchers, in the order in which the owner told it. Frames carry the epoch of the shard: who was replaced is not heard.
 * Nothing is buffered for a neighbour: what got lost is read from the store, or asked for anew.
 */
import type { Host } from '../host/host.ts'
import type { Speeches } from '../host/speech.ts'
import type { Log } from '../watch/log.ts'
import type { Clock } from '../host/clock.ts'
import type { Bus, Frame } from './bus.ts'
import type { Membership } from './membership.ts'
import { type Mirror, take } from './mirror.ts'
import type { Letter, Peer } from './post.ts'
import { shardOf } from './shards.ts'
import type { Live, Stage } from './stage.ts'

interface Place {
  tenant: string
  actor: string
}

/** Milliseconds between looks at mirrors that nobody answers for, and after which an owner of whom nothing is heard counts as silent. */
const TICK = 500
const SILENT = 2_500
/** Milliseconds that a join waits for the owner. */
const PATIENCE = 1_000

/** A conversation that is watched here. */
interface Room {
  readonly name: string
  readonly place: Place
  readonly shard: number
  watches: number
  /** Of one that lives here: the last durable event that its watchers know of. The host forgets it with an actor that rests. */
  told: number | undefined
  /** Of one that lives elsewhere. */
  mirror: Reflection | undefined
}

interface Reflection extends Mirror {
  /** The life that tells us of it, and the epoch under which it does; undefined: it was asked for at that time. */
  from: string | undefined
  epoch: number
  asked: number
  /** Since when nobody has answered. */
  alone: number | undefined
  /** What was told while we were reading what had been missed. */
  held: { name: string; payload: object }[] | undefined
  ready: Promise<void>
  isReady(): void
}

export interface Relay extends Bus, Stage {
  /** The letters that it answers to; true: it was one of them. */
  hear(from: Peer, letter: Letter): boolean
  /** Letters of this peer are missing. */
  gap(from: Peer): void
  /** The conversation exists from now on; those who watch it on any node are told whose it is. */
  born(place: Place, owner: string): void
  /** A speaker of this node has stopped. True: it spoke for another. */
  stopped(speaker: Parameters<Speeches['heardOut']>[0], note: Parameters<Speeches['heardOut']>[1]): boolean
  /** These shards are ours from now on: what was told here is known to the host. */
  gained(shards: ReadonlySet<number>): void
  /** Before the host forgets them. */
  lost(shards: ReadonlySet<number>): void
  /** Nodes or owners have changed. */
  charted(): void
  counts(): { mirrors: number; watchers: number; stale: number }
}

interface Needs {
  local: Bus
  membership(): Pick<Membership, 'voiceOf' | 'ownerOf' | 'isSilent' | 'peers'>
  engine(): { host: Host; speeches: Speeches }
  send(to: Peer, letter: Letter): void
  /** Whoever is no owner may not tell of a conversation before its birth. */
  begun(place: Place, owner: string): void
  /** Where the conversation stands in the store; undefined: nobody has begun it. */
  position(tenant: string, actor: string): Promise<number | undefined>
  events(place: Place, after: number, last: number): Promise<{ seq: number; name: string; payload: object }[]>
  clock: Clock
  log: Log
}

const placeOf = (room: string): Place => {
  const at = room.indexOf('/')
  return { tenant: room.slice(0, at), actor: room.slice(at + 1) }
}

export function createRelay(needs: Needs): Relay {
  const { local, send, clock, log } = needs
  const rooms = new Map<string, Room>()
  /** By room: the peers that have watchers. */
  const watchers = new Map<string, Map<string, Peer>>()
  const heardAt = new Map<string, number>()
  /** By the work that speaks here for an owner elsewhere: the life that has all of its words. */
  const introduced = new Map<string, string>()
  /** Actors that are being loaded to see whether somebody may speak for them. */
  const loading = new Set<string>()
  let stale = 0
  let closed = false
  let ticking = false

  const shardOfRoom = (name: string) => rooms.get(name)?.shard ?? shardOf(placeOf(name).actor)

  // As the owner ----------------------------------------------------------------------------------------------------------

  function tellAll(frame: Frame, epoch: number) {
    local.publish(frame)
    const watched = rooms.get(frame.room)
    if (watched && 'seq' in frame.payload) watched.told = frame.payload.seq as number
    const peers = watchers.get(frame.room)
    if (!peers) return
    const { room, name, payload } = frame
    for (const peer of peers.values()) send(peer, { type: 'frame', room, epoch, name, payload })
  }

  function letIn(from: Peer, name: string) {
    const epoch = needs.membership().voiceOf(shardOfRoom(name))
    if (epoch === undefined) return // it asks again when it knows better
    const peers = watchers.get(name) ?? new Map<string, Peer>()
    watchers.set(name, peers.set(from.life, from))
    const { tenant, actor } = placeOf(name)
    const { host, speeches } = needs.engine()
    // In one stretch: whatever is told from here on goes to it as well.
    send(from, { type: 'watched', room: name, epoch, seq: host.position(tenant, actor), live: speeches.live(tenant, actor) })
  }

  function letOut(life: string, name: string) {
    const peers = watchers.get(name)
    peers?.delete(life)
    if (peers?.size === 0) watchers.delete(name)
  }

  /** Words of work that goes on where the conversation no longer lives. */
  function said(from: Peer, { room, name, payload, work }: Frame) {
    const { tenant, actor } = placeOf(room)
    const { host, speeches } = needs.engine()
    if (needs.membership().voiceOf(shardOfRoom(room)) === undefined) return
    if (name !== 'reply.delta' || work === undefined) return publish({ room, name, payload })
    const { turn, attempt, offset, text } = payload as Live & { offset: number }
    const isWanted = host.wants(tenant, actor, work)
    if (isWanted === undefined) return void load(from, { tenant, actor }, work)
    if (!isWanted) return send(from, { type: 'cancel', tenant, actor, id: work })
    if (!speeches.hear({ tenant, actor, turn, attempt, work }, offset, text)) send(from, { type: 'voice.wanted', work })
  }

  /** Nobody can say whether this work is wanted before the actor is at hand. */
  async function load(from: Peer, { tenant, actor }: Place, work: string) {
    const key = `${tenant}/${actor}`
    if (loading.has(key)) return
    loading.add(key)
    await needs.engine().host.refresh(tenant, actor)
    loading.delete(key)
    send(from, { type: 'voice.wanted', work })
  }

  // As a speaker for somebody else ----------------------------------------------------------------------------------------

  function introduce(only?: string) {
    for (const { place, text } of needs.engine().speeches.speakers()) {
      const { tenant, actor, turn, attempt, work } = place
      if (work === undefined || (only !== undefined && only !== work)) continue
      const shard = shardOf(actor)
      const owner = needs.membership().ownerOf(shard)
      if (!owner || needs.membership().voiceOf(shard) !== undefined) continue
      if (only === undefined && introduced.get(work) === owner.life) continue
      introduced.set(work, owner.life)
      const payload = { conversation: actor, turn, attempt, offset: 0, text: text() }
      send(owner, { type: 'said', room: `${tenant}/${actor}`, name: 'reply.delta', payload, work })
    }
  }

  function publish(frame: Frame) {
    const membership = needs.membership()
    if (closed || membership.isSilent()) return
    const shard = shardOfRoom(frame.room)
    const epoch = membership.voiceOf(shard)
    if (epoch !== undefined) return tellAll(frame, epoch)
    const owner = membership.ownerOf(shard)
    const { room, name, payload, work } = frame
    // What is durable the owner tells from the store: it would come twice.
    if (!owner || 'seq' in payload) return
    if (work !== undefined && name === 'reply.delta' && introduced.get(work) !== owner.life) introduced.set(work, owner.life)
    send(owner, { type: 'said', room, name, payload, work })
  }

  // As a watcher ----------------------------------------------------------------------------------------------------------

  function reflect(room: Room, seq: number | undefined, live: Live | undefined): Reflection {
    let isReady = () => {}
    const ready = new Promise<void>((resolve) => {
      isReady = resolve
    })
    room.mirror = { seq, live, from: undefined, epoch: -1, asked: 0, alone: clock.ticks(), held: undefined, ready, isReady }
    tickOn()
    return room.mirror
  }

  /** Where the conversation stands as the watch begins: whatever comes behind is told, also where no owner answers. */
  async function stand({ place }: Room, mirror: Reflection) {
    // A store that does not answer has not said that nothing was told: the owner says it then.
    const seq = await needs.position(place.tenant, place.actor).catch(() => null)
    if (seq !== null) mirror.seq ??= seq ?? 0
  }

  /** The same for one that lives here: who has it next may tell something before we know that it is gone. */
  async function standHere(room: Room) {
    const { tenant, actor } = room.place
    const known = needs.engine().host.position(tenant, actor) ?? (await needs.position(tenant, actor).catch(() => undefined))
    room.told ??= known
  }

  function ask(room: Room) {
    const { mirror } = room
    if (!mirror) return
    mirror.from = undefined
    mirror.alone ??= clock.ticks()
    mirror.asked = clock.ticks()
    const owner = needs.membership().ownerOf(room.shard)
    if (owner) send(owner, { type: 'watch', room: room.name })
  }

  async function answered(from: Peer, { room: name, epoch, seq, live }: { room: string; epoch: number; seq?: number; live?: Live }) {
    const room = rooms.get(name)
    const mirror = room?.mirror
    if (!room || !mirror) return send(from, { type: 'unwatch', room: name })
    if (epoch < mirror.epoch) return void stale++
    mirror.epoch = epoch
    if (mirror.held) return // somebody reads already; it is asked once more when that is over
    mirror.from = from.life
    mirror.alone = undefined
    mirror.held = []
    try {
      await readUp(room, mirror, seq)
      if (room.mirror !== mirror) return
      if (live) tell(room, mirror, 'reply.delta', { conversation: room.place.actor, ...live, offset: 0 })
      const { held } = mirror
      mirror.held = undefined
      for (const one of held) if (!tell(room, mirror, one.name, one.payload)) return ask(room)
      mirror.isReady()
    } catch (error) {
      mirror.held = undefined
      mirror.from = undefined
      log.warn({ err: error, actor: room.place.actor }, 'what watchers have missed could not be read')
    }
  }

  /** Tells what the store has and the watchers here have not heard, up to where it is known to stand. */
  async function readUp(room: Room, mirror: Reflection, seq?: number) {
    const { place } = room
    const last = seq ?? (await needs.position(place.tenant, place.actor)) ?? 0
    if (room.mirror !== mirror) return
    mirror.seq ??= last
    const after = mirror.seq
    if (last <= after) return
    for (const event of await needs.events(place, after, last)) {
      if (room.mirror !== mirror) return
      tell(room, mirror, event.name, { conversation: place.actor, seq: event.seq, ...event.payload })
    }
  }

  /** False: something before it is missing. */
  function tell(room: Room, mirror: Reflection, name: string, payload: object): boolean {
    const told = take(mirror, name, payload)
    if (told === 'gap') return false
    for (const one of told) local.publish({ room: room.name, ...one })
    return true
  }

  function frame(from: Peer, { room: name, epoch, name: event, payload }: { room: string; epoch: number; name: string; payload: object }) {
    const room = rooms.get(name)
    const mirror = room?.mirror
    if (!room || !mirror) return send(from, { type: 'unwatch', room: name })
    if (mirror.from !== from.life || epoch < mirror.epoch) return void stale++
    if (mirror.held) mirror.held.push({ name: event, payload })
    else if (!tell(room, mirror, event, payload)) ask(room)
  }

  async function refresh(tenant: string, actor: string): Promise<void> {
    const room = rooms.get(`${tenant}/${actor}`)
    const mirror = room?.mirror
    if (!room || !mirror) return needs.engine().host.refresh(tenant, actor)
    if (mirror.held) return
    mirror.held = []
    await readUp(room, mirror).catch((error: Error) => log.warn({ err: error, actor }, 'what watchers have missed could not be read'))
    const { held } = mirror
    mirror.held = undefined
    for (const one of held) if (!tell(room, mirror, one.name, one.payload)) return ask(room)
  }

  async function catchUp({ tenant, actor }: Place, told: number | undefined) {
    const seq = await needs.position(tenant, actor).catch(() => Number.POSITIVE_INFINITY)
    if (seq !== undefined && seq > (told ?? -1)) await needs.engine().host.refresh(tenant, actor)
  }

  // Time ------------------------------------------------------------------------------------------------------------------

  function tickOn() {
    if (ticking || closed) return
    ticking = true
    clock.after(TICK, () => {
      ticking = false
      tick()
    })
  }

  /** Whoever watches hears from us once a second at least, so that silence means something. */
  function pulse() {
    const peers = new Map<string, Peer>()
    for (const some of watchers.values()) for (const [life, peer] of some) peers.set(life, peer)
    for (const peer of peers.values()) send(peer, { type: 'pulse' })
  }

  function tick() {
    pulse()
    let mirrors = 0
    for (const room of rooms.values()) {
      const { mirror } = room
      if (!mirror) continue
      mirrors++
      const isSilent = mirror.from !== undefined && clock.ticks() - (heardAt.get(mirror.from) ?? 0) > SILENT
      // Where no letter comes the store tells all that is durable.
      const isAlone = mirror.alone !== undefined && clock.ticks() - mirror.alone > PATIENCE
      if (isSilent || isAlone) void refresh(room.place.tenant, room.place.actor)
      if ((mirror.from === undefined || isSilent) && clock.ticks() - mirror.asked >= TICK) askAgain(room)
    }
    if (mirrors > 0 || watchers.size > 0) tickOn()
  }

  /** A silent owner may answer after all; until it does, what it told before still counts. */
  function askAgain(room: Room) {
    const from = room.mirror?.from
    ask(room)
    if (room.mirror && from !== undefined) room.mirror.from = from
  }

  const letters: Record<string, (from: Peer, letter: never) => void> = {
    watch: (from, { room }: { room: string }) => {
      letIn(from, room)
      tickOn()
    },
    unwatch: (from, { room }: { room: string }) => letOut(from.life, room),
    watched: (from, letter: { room: string; epoch: number; seq?: number; live?: Live }) => void answered(from, letter),
    frame,
    said,
    pulse() {},
    'voice.wanted': (from, { work }: { work?: string }) => {
      // Without a name: whatever we say to it.
      if (work === undefined) for (const [one, life] of introduced) if (life === from.life) introduced.delete(one)
      introduce(work)
    },
    stopped: (_, { place, note }: { place: Parameters<Speeches['heardOut']>[0]; note: object }) =>
      needs.engine().speeches.heardOut(place, note),
    born: (_, { room, owner }: { room: string; owner: string }) => needs.begun(placeOf(room), owner),
  }

  return {
    publish,
    watch(name, hear) {
      const leave = local.watch(name, hear)
      const place = placeOf(name)
      const room = rooms.get(name) ?? { name, place, shard: shardOf(place.actor), watches: 0, told: undefined, mirror: undefined }
      rooms.set(name, room)
      if (room.watches++ === 0) {
        if (needs.membership().voiceOf(room.shard) === undefined) {
          void stand(room, reflect(room, undefined, undefined))
          ask(room)
        } else void standHere(room)
      }
      let isOver = false
      return () => {
        if (isOver) return
        isOver = true
        leave()
        if (--room.watches > 0) return
        rooms.delete(name)
        const owner = room.mirror && needs.membership().ownerOf(room.shard)
        room.mirror = undefined
        if (owner) send(owner, { type: 'unwatch', room: name })
      }
    },
    async close() {
      closed = true
      await local.close()
    },
    async ready(tenant, actor) {
      const mirror = rooms.get(`${tenant}/${actor}`)?.mirror
      if (!mirror) return
      let takeBack = () => {}
      await Promise.race([mirror.ready, new Promise<void>((resolve) => (takeBack = clock.after(PATIENCE, resolve)))])
      takeBack()
    },
    position(tenant, actor) {
      const mirror = rooms.get(`${tenant}/${actor}`)?.mirror
      return mirror ? mirror.seq : needs.engine().host.position(tenant, actor)
    },
    live(tenant, actor) {
      const mirror = rooms.get(`${tenant}/${actor}`)?.mirror
      return mirror ? mirror.live : needs.engine().speeches.live(tenant, actor)
    },
    refresh,
    hear(from, letter) {
      heardAt.set(from.life, clock.ticks())
      const answer = Object.hasOwn(letters, letter.type) ? letters[letter.type] : undefined
      answer?.(from, letter as never)
      return answer !== undefined
    },
    gap(from) {
      for (const room of rooms.values()) if (room.mirror?.from === from.life) ask(room)
      // It may have spoken for us.
      send(from, { type: 'voice.wanted' })
    },
    born({ tenant, actor }, owner) {
      const room = `${tenant}/${actor}`
      needs.begun({ tenant, actor }, owner)
      for (const peer of watchers.get(room)?.values() ?? []) send(peer, { type: 'born', room, owner })
    },
    stopped(place, note) {
      const shard = shardOf(place.actor)
      if (place.work) introduced.delete(place.work)
      if (needs.membership().voiceOf(shard) !== undefined) return false
      const owner = needs.membership().ownerOf(shard)
      if (owner) send(owner, { type: 'stopped', place, note })
      return true
    },
    gained(shards) {
      for (const room of rooms.values()) {
        const { mirror } = room
        if (!mirror || !shards.has(room.shard)) continue
        room.mirror = undefined
        room.told = mirror.seq
        const { tenant, actor } = room.place
        const { host } = needs.engine()
        host.inherit(tenant, actor, mirror.seq)
        mirror.isReady()
        // Whatever the owner before told nobody is told now.
        void catchUp({ tenant, actor }, mirror.seq)
      }
    },
    lost(shards) {
      for (const name of watchers.keys()) if (shards.has(shardOfRoom(name))) watchers.delete(name)
      for (const room of rooms.values()) {
        if (!shards.has(room.shard) || room.mirror) continue
        const { tenant, actor } = room.place
        const { host, speeches } = needs.engine()
        const mirror = reflect(room, host.position(tenant, actor) ?? room.told, speeches.live(tenant, actor))
        if (mirror.seq === undefined) void stand(room, mirror)
        ask(room)
      }
    },
    charted() {
      const lives = new Set(
        needs
          .membership()
          .peers()
          .map(({ life }) => life),
      )
      for (const [name, peers] of watchers) for (const life of peers.keys()) if (!lives.has(life)) letOut(life, name)
      for (const life of heardAt.keys()) if (!lives.has(life)) heardAt.delete(life)
      for (const room of rooms.values()) {
        const { mirror } = room
        if (!mirror) continue
        const owner = needs.membership().ownerOf(room.shard)
        if (owner && owner.life !== mirror.from) ask(room)
      }
      introduce()
    },
    counts: () => ({
      mirrors: [...rooms.values()].filter(({ mirror }) => mirror).length,
      watchers: watchers.size,
      stale,
    }),
  }
}
