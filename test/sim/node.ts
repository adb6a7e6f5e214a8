/**
 * One life of a node: everything that `runtime/system.ts` puts together, on simulated time, behind a simulated cable and with a
 * door that has no transport. A killed node goes on as a ghost that hears nothing, whose clock stands still and whom nobody hears.
 */
import type { Bus } from '../../runtime/cluster/bus.ts'
import type { Cluster } from '../../runtime/cluster/cluster.ts'
import { ownStage } from '../../runtime/cluster/stage.ts'
import { createModels } from '../../actors/models/models.ts'
import { watched } from '../../actors/models/watchdog.ts'
import { memoryBus } from '../../runtime/cluster/bus.memory.ts'
import { aloneOwnership } from '../../runtime/cluster/ownership.alone.ts'
import { attend } from '../../runtime/gateway/attend.ts'
import { relieve } from '../../runtime/gateway/backpressure.ts'
import { createDesk } from '../../runtime/gateway/desk.ts'
import { createPages } from '../../runtime/gateway/pages.ts'
import { createRooms } from '../../runtime/gateway/rooms.ts'
import type { ChatServer, ChatSocket } from '../../runtime/gateway/socket.ts'
import type { Clock } from '../../runtime/host/clock.ts'
import { createEngine } from '../../runtime/host/engine.ts'
import type { Limits } from '../../runtime/host/host.ts'
import { slotsOf } from '../../runtime/slots.ts'
import type { Policy } from '../../machines/policy.ts'
import type { Database } from '../../sql/database.ts'
import type { Log } from '../../runtime/watch/log.ts'
import type { Chance } from './chance.ts'
import type { Door, ServerSide } from './connection.ts'
import type { Gate } from './gate.ts'
import { deadlines, type Providers } from './provider.ts'
import { SHARDS } from './homes.ts'
import type { SimStore, Weather } from './store.ts'
import type { Time } from './time.ts'

interface Needs {
  name: string
  /** Which life of this node it is. */
  life: number
  time: Time
  store: SimStore
  weather: Weather
  providers: Providers
  chance: Chance
  limits: Limits
  policy: Partial<Policy>
  log: Log
  /** Its first step was to end itself. */
  failed(error: unknown): void
  /** The name of its connections. */
  application?: string
  /** Lets through what reaches it, unless it stands still. */
  gate?: Gate
  /** Milliseconds by which its clock is ahead. */
  skew?(): number
  /** Makes it a node among others; without it, it is alone. */
  join?(own: { db: Database; local: Bus; clock: Clock }): Cluster
}

const alwaysOpen: Pick<Gate, 'pass' | 'isShut'> = { pass: (_, go) => go(), isShut: () => false }

export type SimNode = ReturnType<typeof createNode>

const LOOK = 250

export function createNode({ name, life, time, store, weather, providers, chance, limits, policy, log, failed, ...more }: Needs) {
  const { gate = alwaysOpen, skew = () => 0 } = more
  const incarnation = `${name}.${life}`
  let alive = true
  let open = false
  let rings = 0
  let draining = false
  const clock: Clock = {
    now: () => time.now() + skew(),
    ticks: time.ticks,
    after(ms, ring) {
      let pending = true
      const over = () => {
        if (pending) rings--
        pending = false
      }
      rings++
      const cancel = time.after(ms, () =>
        gate.pass('ring', () => {
          if (!pending) return
          over()
          if (alive) ring()
        }),
      )
      return () => {
        over()
        cancel()
      }
    },
  }
  /** For what the world notes of it. */
  const trueClock = { ...clock, now: time.now }
  const cables = store.cables(time, weather, more.application)
  const { db } = cables
  const local = memoryBus({ log })
  const cluster = more.join?.({ db, local, clock })
  const bus = cluster?.relay ?? local
  const models = createModels({
    settings: { anthropicApiKey: 'simulated', openaiApiKey: 'simulated', deadlines },
    providers: {
      anthropic: watched(providers.reachedBy(incarnation, trueClock, 'anthropic'), deadlines, clock),
      openai: watched(providers.reachedBy(incarnation, trueClock, 'openai'), deadlines, clock),
    },
    clock,
    random: chance.next,
  })
  const ownership = cluster?.membership ?? aloneOwnership({ db, me: { node: name, life: incarnation }, clock, log, shards: SHARDS })
  const engine = createEngine({
    db,
    bus,
    log,
    // Who counts as gone does not find out.
    ownership,
    ...(cluster && { others: cluster.others }),
    clock: cluster?.clock ?? clock,
    limits,
    slots: (speeches) =>
      slotsOf({ db, bus, models, knowledge: { search: async () => [] } as never, speeches, clock: cluster?.clock ?? clock }),
  })
  const stage = cluster?.relay ?? ownStage(engine)
  const sockets = new Set<ServerSide>()
  const io = {
    local: {
      to: (room: string) => ({
        emit(event: string, payload: unknown) {
          for (const socket of sockets) if (socket.rooms.has(room)) socket.emit(event, payload)
        },
      }),
    },
  } as unknown as ChatServer
  const rooms = createRooms(io, bus)
  const pages = createPages(db)
  const desk = createDesk({
    db,
    engine,
    maxLength: 10_000,
    policy,
    isDraining: () => (cluster && open ? draining && cluster.membership.peers().length === 0 : !open),
    begins: (...who) => rooms.begun(...who),
  })
  cluster?.serve({ engine, begun: (...who) => rooms.begun(...who) })

  function look() {
    clock.after(LOOK, () => {
      relieve(sockets as unknown as Set<ChatSocket>, rooms)
      look()
    })
  }

  const door: Door = {
    enter(socket) {
      if (!alive || !open || draining || gate.isShut()) return undefined
      sockets.add(socket)
      const hear = attend({ db, bus, stage, desk, log, pages }, rooms, socket as unknown as ChatSocket)
      return (event, ...given) => gate.pass('message', () => hear(event, ...given))
    },
    left: (socket) =>
      gate.pass('message', () => {
        if (!alive) return
        for (const conversation of socket.data.readers.keys()) rooms.leave(socket as unknown as ChatSocket, conversation)
        sockets.delete(socket)
      }),
  }

  async function start() {
    try {
      await engine.start()
      if (!alive) return
      open = true
      look()
    } catch (error) {
      if (alive) failed(error)
    }
  }

  return {
    name,
    incarnation,
    engine,
    cluster,
    door,
    cables,
    isOpen: () => alive && open && !draining,
    isAlive: () => alive,
    /** Rings that its own clock still awaits, and what it holds in memory. */
    holds: () => ({
      rings,
      sockets: sockets.size,
      streams: engine.speeches.count(),
      running: engine.runner.count(),
      ...engine.host.counts(),
    }),
    start,
    /** Nobody comes to it any more; what it has begun goes on. */
    oust() {
      open = false
      for (const socket of sockets) socket.conn.close()
    },
    /** As `kill -9` does it. */
    kill() {
      if (!alive) return
      alive = false
      cables.abandon(() => chance.happens(0.5))
      providers.sever(incarnation)
      for (const socket of sockets) socket.conn.close()
    },
    /** As SIGTERM does it: no new work, what runs may end. Resolves with how much did not. */
    async stop(ms: number): Promise<number> {
      open = false
      for (const socket of sockets) socket.emit('node.leaving', { within: 500 })
      const left = await engine.stop(ms)
      for (const socket of sockets) socket.conn.close()
      alive = false
      await db.sql.end({ timeout: 1 })
      return left
    },
    /** The same for a node among others, who take over what it has. */
    async leave(ms: number): Promise<number> {
      draining = true
      for (const socket of sockets) socket.emit('node.leaving', { within: 500 })
      await cluster?.membership.drain().catch((error: Error) => log.warn({ err: error }, 'what this node had could not be given away'))
      const left = await engine.stop(ms)
      open = false
      for (const socket of sockets) socket.conn.close()
      await bus.close()
      await cluster?.leave().catch((error: Error) => log.warn({ err: error }, 'this node could not say that it leaves'))
      await db.sql.end({ timeout: 1 })
      return left
    },
    /** It is gone; what was on its way to it finds nobody. */
    end() {
      alive = false
    },
  }
}
