/**
 * What lies between a tab and a node: two ways that take their time and keep their order, and that break. To the node it looks like a
 * socket of Socket.IO, to the client like its counterpart, with the manners that the real ones have: a lost transport is tried again
 * after a while, a server that disconnects on purpose is not, and acknowledgements that are still awaited fail when the line goes.
 */
import type { Principal } from '../../runtime/gateway/auth.ts'
import type { ChatSocket } from '../../runtime/gateway/socket.ts'
import type { Chance } from './chance.ts'
import type { Time } from './time.ts'

/** A node's side of the door. */
export interface Door {
  /** Takes the new socket in, and says who hears what it sends; undefined when nobody is there. */
  enter(socket: ServerSide): ((name: string, ...given: unknown[]) => void) | undefined
  left(socket: ServerSide): void
}

type Packet = { event: [name: string, payload: unknown]; data: string; ack?: undefined } | { ack: number; answer: unknown; data: string }

export interface ServerSide {
  id: string
  connected: boolean
  data: ChatSocket['data']
  rooms: Set<string>
  conn: { writeBuffer: Packet[]; close(): void }
  emit(name: string, payload: unknown): void
  join(room: string): void
  leave(room: string): void
  disconnect(): void
}

/** Sees what really reaches the tab, and what the tab really sends. */
export interface Witness {
  connected(): void
  disconnected(): void
  heard(name: string, payload: unknown): void
  sent(name: string, payload: unknown): void
  answered(name: string, payload: unknown, answer: unknown): void
}

interface Needs {
  time: Time
  chance: Chance
  /** Whichever node is to be tried now. */
  door(): Door
  principal: Principal
  witness: Witness
  /** Milliseconds for one way, at most. */
  slowest: number
}

type Handler = (...given: never[]) => void

export function createConnection({ time, chance, door, principal, witness, slowest }: Needs) {
  let wanted = false
  let cancelRetry = () => {}
  let line: ReturnType<typeof open> | undefined
  let stalled = false
  let stalls: { ms: number; frames: number }[] = []
  let count = 0
  const handlers = new Map<string, Handler[]>()
  const any: Handler[] = []
  const asked = new Map<number, { name: string; payload: unknown }>()
  const awaited = new Map<number, (error: Error | null, answer?: unknown) => void>()

  const tell = (name: string, ...given: unknown[]) => {
    for (const handler of handlers.get(name) ?? []) handler(...(given as never[]))
  }

  const way = () => {
    const lane = time.lane()
    return (then: () => void) => lane(chance.delay(1, slowest), then)
  }

  /** One life of the line, from its connect to its end. */
  function open(entered: Door) {
    const up = way()
    const down = way()
    let alive = true
    let hear: ((name: string, ...given: unknown[]) => void) | undefined

    function pump() {
      while (alive && !stalled && server.conn.writeBuffer.length > 0) {
        const packet = server.conn.writeBuffer.shift() as Packet
        down(() => alive && arrive(packet))
      }
    }

    function arrive(packet: Packet) {
      // What arrives while the tab reads nothing waits in its kernel; a stall that begins now lets it pass.
      if (packet.ack !== undefined) {
        const answer: unknown = JSON.parse(packet.data)
        const ask = asked.get(packet.ack)
        // It reached the tab, also where the client has given up waiting.
        if (ask) witness.answered(ask.name, ask.payload, answer)
        const done = awaited.get(packet.ack)
        awaited.delete(packet.ack)
        done?.(null, answer)
        return
      }
      const payload: unknown = JSON.parse(packet.data)
      witness.heard(packet.event[0], payload)
      countFrame()
      for (const handler of any) handler(...([packet.event[0], payload] as never[]))
    }

    const server: ServerSide = {
      id: `s${++count}`,
      connected: true,
      data: { principal, readers: new Map(), bots: new Map() },
      rooms: new Set(),
      conn: { writeBuffer: [], close: () => end('transport close') },
      emit(name, payload) {
        if (!server.connected) return
        server.conn.writeBuffer.push({ event: [name, payload], data: JSON.stringify(payload) })
        pump()
      },
      join: (room) => void server.rooms.add(room),
      leave: (room) => void server.rooms.delete(room),
      disconnect: () => end('io server disconnect'),
    }

    /** Both sides hear of it, each in its own time; what is on its way is lost. */
    function end(reason: string, silent = false) {
      if (!alive) return
      alive = false
      const leave = () => {
        if (!server.connected) return
        server.connected = false
        entered.left(server)
      }
      if (silent) time.after(chance.delay(50, 3_000), leave)
      else leave()
      time.after(reason === 'io client disconnect' ? 0 : chance.delay(1, slowest), () => fell(reason))
    }

    return {
      server,
      end,
      pump,
      isAlive: () => alive,
      begin() {
        hear = entered.enter(server)
        return hear !== undefined
      },
      send(name: string, payload: unknown, ack: number | undefined) {
        const text = JSON.stringify(payload)
        witness.sent(name, payload)
        up(() => {
          if (!alive || !server.connected) return
          const answer = (told: unknown) => {
            if (!server.connected) return
            server.conn.writeBuffer.push({ ack: ack as number, answer: undefined, data: JSON.stringify(told) })
            pump()
          }
          hear?.(name, JSON.parse(text), ...(ack === undefined ? [] : [answer]))
        })
      },
    }
  }

  function fell(reason: string) {
    if (line?.isAlive()) return
    line = undefined
    if (!socket.connected) return wanted ? retry() : undefined
    socket.connected = false
    witness.disconnected()
    for (const [id, done] of [...awaited]) {
      awaited.delete(id)
      done(new Error('socket has been disconnected'))
    }
    socket.active = wanted && reason === 'transport close'
    tell('disconnect', reason)
    if (socket.active) retry()
  }

  function countFrame() {
    const due = stalls.find((stall) => --stall.frames === 0)
    if (!due) return
    stalls = stalls.filter((stall) => stall !== due)
    stalled = true
    time.after(due.ms, () => {
      stalled = false
      line?.pump()
    })
  }

  function retry() {
    cancelRetry()
    cancelRetry = time.after(chance.delay(100, 2_000), () => wanted && !socket.connected && attempt())
  }

  function attempt() {
    time.after(chance.delay(1, slowest), () => {
      if (!wanted || socket.connected || line?.isAlive()) return
      const next = open(door())
      if (!next.begin()) {
        socket.active = true
        tell('connect_error', new Error('nobody is there'))
        return retry()
      }
      line = next
      time.after(chance.delay(1, slowest), () => {
        if (line !== next || !next.isAlive()) return
        socket.connected = true
        socket.active = true
        witness.connected()
        tell('connect')
      })
    })
  }

  function emit(name: string, payload: unknown, patience?: number, done?: (error: Error | null, answer?: unknown) => void) {
    const id = done ? ++count : undefined
    if (id !== undefined && done) {
      asked.set(id, { name, payload })
      awaited.set(id, done)
      if (patience !== undefined) time.after(patience, () => awaited.delete(id) && done(new Error('operation has timed out')))
    }
    if (socket.connected) line?.send(name, payload, id)
  }

  const socket = {
    connected: false,
    active: false,
    on(name: string, handler: Handler) {
      handlers.set(name, [...(handlers.get(name) ?? []), handler])
      return socket
    },
    onAny(handler: Handler) {
      any.push(handler)
      return socket
    },
    connect() {
      if (wanted && (socket.connected || line?.isAlive())) return socket
      wanted = true
      attempt()
      return socket
    },
    disconnect() {
      wanted = false
      cancelRetry()
      line?.end('io client disconnect')
      return socket
    },
    emit: (name: string, payload: unknown) => emit(name, payload),
    volatile: { emit: (name: string, payload: unknown) => void (socket.connected && emit(name, payload)) },
    timeout: (patience: number) => ({
      emit: (name: string, payload: unknown, done: (error: Error | null, answer?: unknown) => void) => emit(name, payload, patience, done),
    }),
  }

  return {
    socket,
    /** The transport breaks; a silent break is seen by the node only later. */
    cut: (silent: boolean) => line?.end('transport close', silent),
    isStalled: () => stalled,
    /** The tab reads nothing for so long, once it has heard so many more frames. */
    stall(ms: number, frames: number) {
      stalls.push({ ms, frames })
    },
  }
}
