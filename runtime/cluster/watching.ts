/**
 * Conversations that are watched on this node, wherever they live. Whatever is told of one passes its mirror, also where we own it: so
 * nothing comes twice and nothing is missed when it moves, here, away, or back. What a mirror misses is read from the store; where no
 * letter comes the store tells everything that is durable.
 */
import type { Clock } from '../host/clock.ts'
import type { Host } from '../host/host.ts'
import type { Speeches } from '../host/speech.ts'
import type { Log } from '../watch/log.ts'
import { type Bus, type Frame, roomOf } from './bus.ts'
import type { Membership } from './membership.ts'
import { type Mirror, type Told, freshMirror, take } from './mirror.ts'
import { type Place, placeOf } from './place.ts'
import type { Letter, Peer } from './post.ts'
import type { Live, Stage } from './stage.ts'

/** Milliseconds after which an owner of whom nothing is heard counts as silent, and that a join waits for one. */
const SILENT = 2_500
const PATIENCE = 1_000
/** Milliseconds between two questions to an owner who does not answer. */
export const TICK = 500

/** The source of what lives here. No life is called so. */
const HERE = 'here'

interface Room extends Mirror {
  readonly name: string
  readonly place: Place
  readonly shard: number
  watches: number
  /** The life that tells us of it, or that this node does; undefined: it was asked for at that time. */
  from: string | undefined
  epoch: number
  asked: number
  /** Since when nobody has answered. */
  alone: number | undefined
  /** What was told while we were reading what had been missed. */
  held: Told[] | undefined
  /** Counts its moves: whoever read meanwhile has read in vain. */
  moves: number
  joined: Promise<void>
  isJoined(): void
}

export interface Watching extends Stage, Pick<Bus, 'watch'> {
  /** What this node tells as the owner. */
  own(frame: Frame): void
  /** The owner has let us in, and says how it stands. */
  watched(from: Peer, letter: { room: string; epoch: number; seq?: number; live?: Live }): void
  /** What an owner elsewhere tells. */
  frame(from: Peer, letter: { room: string; epoch: number; name: string; payload: object }): void
  heardFrom(life: string): void
  /** Letters of this life are missing. */
  gap(life: string): void
  gained(shards: ReadonlySet<number>): void
  lost(shards: ReadonlySet<number>): void
  /** Nodes or owners have changed; only these lives are left. */
  charted(lives: ReadonlySet<string>): void
  /** Letters to this node go astray from now on: everything elsewhere is asked for anew. */
  anew(): void
  /** What was not told for a while is told now. */
  resumed(): void
  /** Looks after rooms of whom nobody tells. True: there are rooms of other nodes. */
  tick(): boolean
  counts(): { mirrors: number; stale: number }
}

interface Needs {
  local: Bus
  membership(): Pick<Membership, 'shardOf' | 'voiceOf' | 'ownerOf' | 'chart'>
  engine(): { host: Pick<Host, 'position' | 'refresh'>; speeches: Pick<Speeches, 'live'> }
  send(to: Peer, letter: Letter): void
  /** Where the conversation stands in the store; undefined: nobody has begun it. */
  position(tenant: string, actor: string): Promise<number | undefined>
  events(place: Place, after: number, last: number): Promise<{ seq: number; name: string; payload: object }[]>
  clock: Clock
  log: Log
}

export function createWatching({ local, membership, engine, send, position, events, clock, log }: Needs): Watching {
  const rooms = new Map<string, Room>()
  const heardAt = new Map<string, number>()
  let stale = 0

  function open(name: string): Room {
    const place = placeOf(name)
    const room: Room = {
      ...freshMirror(),
      name,
      place,
      shard: membership().shardOf(place.actor),
      watches: 0,
      from: undefined,
      epoch: -1,
      asked: 0,
      alone: undefined,
      held: undefined,
      moves: 0,
      joined: Promise.resolve(),
      isJoined() {},
    }
    rooms.set(name, room)
    if (membership().voiceOf(room.shard) === undefined) {
      goElsewhere(room)
      return room
    }
    room.from = HERE
    const { host, speeches } = engine()
    room.seq = host.position(place.tenant, place.actor)
    room.live = speeches.live(place.tenant, place.actor)
    return room
  }

  function goElsewhere(room: Room) {
    room.moves++
    room.held = undefined
    room.joined = new Promise((resolve) => {
      room.isJoined = resolve
    })
    ask(room)
  }

  function ask(room: Room) {
    room.from = undefined
    room.alone ??= clock.ticks()
    room.asked = clock.ticks()
    const owner = membership().ownerOf(room.shard)
    if (owner) send(owner, { type: 'watch', room: room.name })
  }

  /** Asks once more, and goes on to believe whom it believed. */
  function askAgain(room: Room) {
    const { from } = room
    ask(room)
    room.from = from
  }

  /** False: something before it is missing. */
  function tell(room: Room, name: string, payload: object): boolean {
    const told = take(room, name, payload)
    if (told === 'gap') return false
    for (const one of told) local.publish({ room: room.name, ...one })
    return true
  }

  function hear(room: Room, name: string, payload: object) {
    if (room.held) room.held.push({ name, payload })
    else if (!tell(room, name, payload)) mend(room)
  }

  /** Something is missing: whoever has it says how it stands. */
  function mend(room: Room) {
    if (room.from === HERE) void catchUp(room)
    else ask(room)
  }

  /**
   * Tells what the store has and the watchers here have not heard, then what is being said. One at a time; what is told meanwhile waits.
   * The owner elsewhere has said how far the store is to be read, and with which words behind; this node looks itself.
   */
  async function catchUp(room: Room, said?: { seq: number | undefined; live: Live | undefined }): Promise<void> {
    if (room.held) return
    const { moves, place } = room
    room.held = []
    // Before anything is read: words that come later are held, behind the events that came before them.
    const here = () => (room.from === HERE ? engine().speeches.live(place.tenant, place.actor) : undefined)
    const live = said ? said.live : here()
    /** A page may know more than whoever said this did then: the end of these very words. Where they are not, a gap shows it. */
    const isLive = ({ turn, attempt }: Live) =>
      said ? (said.seq ?? Number.POSITIVE_INFINITY) >= (room.seq ?? 0) : here()?.turn === turn && here()?.attempt === attempt
    try {
      await readUp(room, said?.seq)
      if (room.moves !== moves) return
      if (live && isLive(live)) tell(room, 'reply.delta', { conversation: place.actor, ...live, offset: 0 })
      const { held } = room
      room.held = undefined
      // An end that a page has shown already is told to nobody, and comes before the words that it ended.
      const isKnown = ({ payload }: Told) => ((payload as { seq?: number }).seq ?? Number.POSITIVE_INFINITY) <= (room.seq ?? 0)
      for (const one of held.filter(isKnown)) tell(room, one.name, one.payload)
      for (const one of held) if (!tell(room, one.name, one.payload)) return mend(room)
      if (said || room.from === HERE) room.isJoined()
      // An answer that came meanwhile was not taken.
      else if (room.alone !== undefined) askAgain(room)
    } catch (error) {
      log.warn({ err: error, actor: place.actor }, 'what watchers have missed could not be read')
      if (room.moves !== moves) return
      room.held = undefined
      if (room.from !== HERE)
        room.from = undefined // it is asked again
      else clock.after(TICK, () => room.moves === moves && void catchUp(room))
    }
  }

  async function readUp(room: Room, known?: number) {
    const { moves, place } = room
    const last = known ?? (await position(place.tenant, place.actor)) ?? 0
    if (room.moves !== moves) return
    room.seq ??= last
    if (last <= room.seq) return
    for (const event of await events(place, room.seq, last)) {
      if (room.moves !== moves) return
      tell(room, event.name, { conversation: place.actor, seq: event.seq, ...event.payload })
    }
  }

  const roomAt = (tenant: string, actor: string) => rooms.get(roomOf(tenant, actor))

  async function stands(tenant: string, actor: string, seq?: number) {
    const room = roomAt(tenant, actor)
    if (!room || room.seq !== undefined) return
    // A store that does not answer has not said that nothing was told.
    const known = seq ?? (await position(tenant, actor).catch(() => null))
    if (known !== null) room.seq ??= known ?? 0
  }

  async function refresh(tenant: string, actor: string): Promise<void> {
    const room = roomAt(tenant, actor)
    if (!room || room.from === HERE) await engine().host.refresh(tenant, actor)
    if (room) await catchUp(room)
  }

  return {
    watch(name, listener) {
      const room = rooms.get(name) ?? open(name)
      room.watches++
      const leave = local.watch(name, listener)
      let isOver = false
      return () => {
        if (isOver) return
        isOver = true
        leave()
        if (--room.watches > 0) return
        rooms.delete(name)
        room.moves++
        const owner = room.from === HERE ? undefined : membership().ownerOf(room.shard)
        if (owner) send(owner, { type: 'unwatch', room: name })
      }
    },
    own(frame) {
      const room = rooms.get(frame.room)
      if (room) hear(room, frame.name, frame.payload)
    },
    watched(from, { room: name, epoch, seq, live }) {
      const room = rooms.get(name)
      if (!room) return send(from, { type: 'unwatch', room: name })
      if (room.from === HERE || epoch < room.epoch) return void stale++
      room.epoch = epoch
      if (room.held) return // it is asked once more when that is over
      room.from = from.life
      room.alone = undefined
      void catchUp(room, { seq, live })
    },
    frame(from, { room: name, epoch, name: event, payload }) {
      const room = rooms.get(name)
      if (!room) return send(from, { type: 'unwatch', room: name })
      if (room.from !== from.life || epoch < room.epoch) return void stale++
      hear(room, event, payload)
    },
    heardFrom: (life) => void heardAt.set(life, clock.ticks()),
    gap(life) {
      for (const room of rooms.values()) if (room.from === life) ask(room)
    },
    gained(shards) {
      for (const room of rooms.values()) {
        if (!shards.has(room.shard)) continue
        room.moves++
        room.held = undefined
        room.from = HERE
        room.alone = undefined
        // Whatever the owner before told nobody is told now, and then what is being said.
        void catchUp(room)
      }
    },
    lost(shards) {
      for (const room of rooms.values()) {
        if (room.from !== HERE || !shards.has(room.shard)) continue
        goElsewhere(room)
        // Nobody here has told anything of it yet, so that nothing is known.
        if (room.seq === undefined) void stands(room.place.tenant, room.place.actor)
      }
    },
    charted(lives) {
      for (const life of heardAt.keys()) if (!lives.has(life)) heardAt.delete(life)
      for (const room of rooms.values()) {
        if (room.from === HERE) continue
        const owner = membership().ownerOf(room.shard)
        // One that gave it away and has it back has let us out, and we may never have heard of the one between.
        const isBack = (membership().chart().epochs[room.shard] ?? -1) > room.epoch
        if (owner && (owner.life !== room.from || isBack)) ask(room)
      }
    },
    anew() {
      for (const room of rooms.values()) if (room.from !== HERE) ask(room)
    },
    resumed() {
      for (const room of rooms.values()) mend(room)
    },
    tick() {
      let others = false
      for (const room of rooms.values()) {
        if (room.from === HERE) continue
        others = true
        const isSilent = room.from !== undefined && clock.ticks() - (heardAt.get(room.from) ?? 0) > SILENT
        const isAlone = room.alone !== undefined && clock.ticks() - room.alone > PATIENCE
        if (isSilent || isAlone) void catchUp(room)
        if ((room.from !== undefined && !isSilent) || clock.ticks() - room.asked < TICK) continue
        // A silent owner may answer after all.
        askAgain(room)
      }
      return others
    },
    async joined(tenant, actor) {
      const room = roomAt(tenant, actor)
      if (!room || room.from === HERE) return
      let takeBack = () => {}
      await Promise.race([room.joined, new Promise<void>((resolve) => (takeBack = clock.after(PATIENCE, resolve)))])
      takeBack()
    },
    stands,
    position: (tenant, actor) => {
      const room = roomAt(tenant, actor)
      return room ? room.seq : engine().host.position(tenant, actor)
    },
    live: (tenant, actor) => {
      const room = roomAt(tenant, actor)
      return room ? room.live : engine().speeches.live(tenant, actor)
    },
    refresh,
    counts: () => ({ mirrors: [...rooms.values()].filter(({ from }) => from !== HERE).length, stale }),
  }
}
