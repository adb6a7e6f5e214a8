/**
 * One life of a node: everything that `runtime/system.ts` puts together, on simulated time, behind a simulated cable and with a
 * door that has no transport. A killed node goes on as a ghost that hears nothing, whose clock stands still and whom nobody hears.
 */
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
import type { Log } from '../../runtime/watch/log.ts'
import type { Chance } from './chance.ts'
import type { Door, ServerSide } from './connection.ts'
import { deadlines, type Providers } from './provider.ts'
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
}

export type SimNode = ReturnType<typeof createNode>

const LOOK = 250

export function createNode({ name, life, time, store, weather, providers, chance, limits, policy, log, failed }: Needs) {
  const incarnation = `${name}.${life}`
  let alive = true
  let open = false
  let rings = 0
  const clock: Clock = {
    now: time.now,
    ticks: time.ticks,
    after(ms, ring) {
      let pending = true
      const over = () => {
        if (pending) rings--
        pending = false
      }
      rings++
      const cancel = time.after(ms, () => {
        over()
        if (alive) ring()
      })
      return () => {
        over()
        cancel()
      }
    },
  }
  const cables = store.cables(time, weather)
  const { db } = cables
  const bus = memoryBus({ log })
  const models = createModels({
    settings: { anthropicApiKey: 'simulated', openaiApiKey: 'simulated', deadlines },
    providers: {
      anthropic: watched(providers.reachedBy(incarnation, clock, 'anthropic'), deadlines, clock),
      openai: watched(providers.reachedBy(incarnation, clock, 'openai'), deadlines, clock),
    },
    clock,
    random: chance.next,
  })
  const ownership = aloneOwnership({ db, me: { node: name, life: incarnation }, clock, log })
  const engine = createEngine({
    db,
    bus,
    log,
    // Who counts as gone does not find out.
    ownership,
    clock,
    limits,
    slots: (speeches) => slotsOf({ db, bus, models, knowledge: { search: async () => [] } as never, speeches }),
  })
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
    isDraining: () => !open,
    begins: (...who) => rooms.begun(...who),
  })

  function look() {
    clock.after(LOOK, () => {
      relieve(sockets as unknown as Set<ChatSocket>, rooms)
      look()
    })
  }

  const door: Door = {
    enter(socket) {
      if (!alive || !open) return undefined
      sockets.add(socket)
      return attend({ db, bus, stage: ownStage(engine), desk, log, pages }, rooms, socket as unknown as ChatSocket)
    },
    left(socket) {
      if (!alive) return
      for (const conversation of socket.data.readers.keys()) rooms.leave(socket as unknown as ChatSocket, conversation)
      sockets.delete(socket)
    },
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
    door,
    cables,
    isOpen: () => alive && open,
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
  }
}
