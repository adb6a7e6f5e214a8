/** Socket.IO: the first-class door. Translates events into requests to the desk, and the bus into frames. */
import type { Server as HttpServer } from 'node:http'
import { Server } from 'socket.io'
import type { Database } from '../../sql/database.ts'
import type { Bus } from '../cluster/bus.ts'
import type { Stage } from '../cluster/stage.ts'
import type { Log } from '../watch/log.ts'
import { attend, refusedBy } from './attend.ts'
import { type Authenticator, type Principal, credentialIn } from './auth.ts'
import { relieve } from './backpressure.ts'
import type { Desk } from './desk.ts'
import { createPages } from './pages.ts'
import { type Rooms, createRooms } from './rooms.ts'
import type { ChatServer, ChatSocket } from './socket.ts'
import { createTurnstile } from './turnstile.ts'
import { webSocketsThrough } from './websockets.ts'

type Handshake = ChatSocket['handshake']

interface Needs {
  http: HttpServer
  db: Database
  bus: Bus
  stage: Stage
  desk: Desk
  authenticate: Authenticator
  log: Log
  origins: string[]
  frameLimit: number
  refused?(code: string): void
}

/** The namespace of those who watch. */
export const OPERATORS = '/operators'

/** Milliseconds between looks at the queues of sockets that hear a reply. */
const LOOK = 250
/** Milliseconds that the queues of all sockets together have at the end. */
const FAREWELL = 1_000

interface Sockets {
  io: ChatServer
  rooms: Rooms
  /** Tells each socket when to come back elsewhere, at a moment of its own within so many milliseconds. Resolves once nobody is left, or that time is over. */
  leave(within: number): Promise<void>
  close(): Promise<void>
}

export function openSockets(needs: Needs): Sockets {
  const { http, bus, authenticate, log, origins, frameLimit } = needs
  const pass = createTurnstile()
  const io: ChatServer = new Server(http, {
    transports: ['websocket', 'polling'],
    maxHttpBufferSize: frameLimit,
    connectTimeout: 10_000,
    pingInterval: 25_000,
    pingTimeout: 20_000,
    serveClient: false,
    wsEngine: webSocketsThrough(pass),
    ...(origins.length > 0 && { cors: { origin: origins.includes('*') ? '*' : origins } }),
    // CORS covers polling only; a WebSocket handshake brings its origin and nobody else looks at it.
    allowRequest(request, answer) {
      if (isAllowed(request.headers.origin, request.headers.host, origins)) pass(() => answer(null, true))
      else answer(null, false)
    },
  })
  const rooms = createRooms(io, bus)
  /** Those who wait until nobody is left, and when that time is over. */
  const leaving = new Set<() => void>()
  let end = 0
  /** The draw is ours and nobody else's: of those who draw once more within their share, half would go in the first fifth of the time. */
  const sendAway = (socket: Pick<ChatSocket, 'emit'>) =>
    socket.emit('node.leaving', { within: Math.round(Math.random() * Math.max(0, end - performance.now())) })
  const pages = createPages(needs.db)

  io.use((socket, next) => {
    authenticate(credentialOf(socket.handshake)).then(
      (principal) => {
        socket.data.principal = principal
        socket.data.readers = new Map()
        socket.data.bots = new Map()
        next()
      },
      (error: unknown) => {
        const data = refusedBy(error, log)
        next(Object.assign(new Error(data.message), { data }))
      },
    )
  })

  io.on('connection', (socket) => {
    expire(socket, socket.data.principal)
    // A balancer may not have seen yet that we leave.
    if (performance.now() < end) sendAway(socket)
    // One door for all events, so that an unknown one is answered too.
    socket.onAny(attend({ ...needs, pages }, rooms, socket))
    socket.on('disconnecting', () => {
      for (const conversation of socket.data.readers.keys()) rooms.leave(socket, conversation)
    })
    socket.on('disconnect', () => {
      if (io.sockets.sockets.size === 0) for (const left of leaving) left()
    })
  })

  const look = setInterval(() => relieve(io.sockets.sockets.values(), rooms), LOOK)
  look.unref()

  return {
    io,
    rooms,
    leave(within) {
      const { sockets } = io.sockets
      end = performance.now() + within
      // Operators come back elsewhere as everybody does; nobody waits for them.
      for (const socket of io.of(OPERATORS).sockets.values()) sendAway(socket)
      if (sockets.size === 0) return Promise.resolve()
      for (const socket of sockets.values()) sendAway(socket)
      return new Promise((resolve) => {
        const left = () => {
          clearTimeout(timer)
          leaving.delete(left)
          resolve()
        }
        const timer = setTimeout(left, within)
        leaving.add(left)
      })
    },
    async close() {
      clearInterval(look)
      await farewell(io)
      // It waits for every request and stream of the server: answers may leave, readers that do not read come back with their cursor.
      const late = setTimeout(() => http.closeAllConnections(), FAREWELL)
      await io.close()
      clearTimeout(late)
    },
  }
}

/** What a handshake brings as its credential: a field of its own, or a header. */
export function credentialOf({ auth, headers }: Pick<Handshake, 'auth' | 'headers'>): string | undefined {
  const { token } = auth as { token?: unknown }
  return typeof token === 'string' && token ? token : credentialIn(headers)
}

/** A socket outlives its token by nothing: it is closed, and the client comes back with a fresh one if it has one. */
export function expire(socket: Pick<ChatSocket, 'conn'> & { on(name: 'disconnect', hear: () => void): unknown }, { until }: Principal) {
  if (until === undefined) return
  // A timer of 25 days or more would fire at once.
  const timer = setTimeout(() => socket.conn.close(), Math.min(Math.max(0, until - Date.now()), 2_147_483_647))
  timer.unref()
  socket.on('disconnect', () => clearTimeout(timer))
}

/** Lets every queue run empty first: closing the whole server throws away what waits, and the end of a reply may be in it. */
async function farewell(io: ChatServer) {
  // The connection and not the socket: whoever is disconnected by the server on purpose does not come back by itself.
  for (const conn of Object.values((io.engine as unknown as { clients: Record<string, ChatSocket['conn']> }).clients)) conn.close()
  const until = Date.now() + FAREWELL
  while (io.engine.clientsCount > 0 && Date.now() < until) await new Promise((resolve) => setTimeout(resolve, 10))
}

/** No origin is no browser; our own page is welcome, others by setting. */
function isAllowed(origin: string | undefined, host: string | undefined, origins: string[]): boolean {
  if (!origin || origins.includes('*') || origins.includes(origin)) return true
  return URL.canParse(origin) && new URL(origin).host === host
}
