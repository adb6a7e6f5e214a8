/** Socket.IO: the first-class door. Translates events into requests to the desk, and the bus into frames. */
import type { Server as HttpServer } from 'node:http'
import { Server } from 'socket.io'
import { Refusal } from '../../machines/refusal.ts'
import type { Database } from '../../sql/database.ts'
import type { Bus } from '../cluster/bus.ts'
import type { Engine } from '../host/engine.ts'
import type { Log } from '../watch/log.ts'
import { type Authenticator, credentialIn } from './auth.ts'
import { cut, pressureOn } from './backpressure.ts'
import type { Desk } from './desk.ts'
import { join } from './join.ts'
import type { Cursor, Joined, Refused } from './protocol.ts'
import { refusing } from './refusing.ts'
import { type Rooms, createRooms } from './rooms.ts'
import type { ChatServer, ChatSocket } from './socket.ts'
import { type ClientEventName, clientEvents } from './schema.ts'

interface Needs {
  http: HttpServer
  db: Database
  bus: Bus
  engine: Engine
  desk: Desk
  authenticate: Authenticator
  log: Log
  origins: string[]
  frameLimit: number
}

/** Milliseconds between looks at the queues of sockets that hear a reply. */
const LOOK = 250
/** Conversations that one socket may listen to. */
const JOINED = 100
/** Milliseconds that the queues of all sockets together have at the end. */
const FAREWELL = 1_000

export function openSockets(needs: Needs): { io: ChatServer; rooms: Rooms; close(): Promise<void>; leave(within: number): void } {
  const { http, bus, authenticate, log, origins, frameLimit } = needs
  const io: ChatServer = new Server(http, {
    transports: ['websocket', 'polling'],
    maxHttpBufferSize: frameLimit,
    connectTimeout: 10_000,
    pingInterval: 25_000,
    pingTimeout: 20_000,
    serveClient: false,
    ...(origins.length > 0 && { cors: { origin: origins.includes('*') ? '*' : origins } }),
    // CORS covers polling only; a WebSocket handshake brings its origin and nobody else looks at it.
    allowRequest: (request, answer) => answer(null, isAllowed(request.headers.origin, request.headers.host, origins)),
  })
  const rooms = createRooms(io, bus)

  io.use((socket, next) => {
    const { token } = socket.handshake.auth as { token?: unknown }
    authenticate(typeof token === 'string' && token ? token : credentialIn(socket.handshake.headers)).then(
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
    const events = handlers(needs, rooms, socket)
    expire(socket)
    // One door for all events, so that an unknown one is answered too.
    socket.onAny((name: string, ...given: unknown[]) => {
      const answer = given.at(-1)
      const acknowledge = typeof answer === 'function' ? (answer as (told: object) => void) : () => {}
      void dispatch(events, name, typeof given[0] === 'function' ? undefined : given[0], (told) =>
        acknowledge({ ok: true, ...told }),
      ).catch((error: unknown) => acknowledge(refusedBy(error, log)))
    })
    socket.on('disconnecting', () => {
      for (const conversation of socket.data.readers.keys()) rooms.leave(socket, conversation)
    })
  })

  const look = setInterval(() => {
    for (const socket of io.sockets.sockets.values()) {
      const pressure = pressureOn(socket)
      if (pressure === 'hopeless') {
        cut(socket)
        continue
      }
      for (const [conversation, reader] of socket.data.readers) {
        if (pressure === 'free' && !reader.isLagging()) continue
        rooms.leave(socket, conversation)
        socket.emit('conversation.lagged', { conversation, reason: 'slow' })
      }
    }
  }, LOOK)
  look.unref()

  return {
    io,
    rooms,
    leave: (within) => {
      for (const socket of io.sockets.sockets.values()) socket.emit('node.leaving', { within: Math.round(Math.random() * within) })
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

/** A socket outlives its token by nothing: it is closed, and the client comes back with a fresh one if it has one. */
function expire(socket: ChatSocket) {
  const { until } = socket.data.principal
  if (until === undefined) return
  // A timer of 25 days or more would fire at once.
  const timer = setTimeout(() => socket.conn.close(), Math.min(Math.max(0, until - Date.now()), 2_147_483_647))
  timer.unref()
  socket.on('disconnect', () => clearTimeout(timer))
}

/** Lets every queue run empty first: closing the whole server throws away what waits, and the end of a reply may be in it. */
async function farewell(io: ChatServer) {
  // The connection and not the socket: whoever is disconnected by the server on purpose does not come back by itself.
  for (const { conn } of io.sockets.sockets.values()) conn.close()
  const until = Date.now() + FAREWELL
  while (io.engine.clientsCount > 0 && Date.now() < until) await new Promise((resolve) => setTimeout(resolve, 10))
}

/** Answers once; a join does so inside its own synchronous stretch. */
type Answer = (told: object) => void
type Handlers = { [N in ClientEventName]: (ask: never, answer: Answer) => Promise<void> | void }

async function dispatch(events: Handlers, name: string, payload: unknown, answer: Answer): Promise<void> {
  if (!Object.hasOwn(clientEvents, name)) throw new Refusal('event.unknown', { details: { event: name } })
  const known = name as ClientEventName
  const parsed = clientEvents[known].safeParse(payload)
  if (!parsed.success)
    throw new Refusal('request.malformed', { details: parsed.error.issues.map(({ path, message }) => ({ path: path.join('.'), message })) })
  await events[known](parsed.data as never, answer)
}

function handlers(needs: Needs, rooms: Rooms, socket: ChatSocket): Handlers {
  const { desk } = needs
  const { principal, bots } = socket.data
  return {
    'conversation.join': async (
      { conversation = crypto.randomUUID(), bot, after }: { conversation?: string; bot?: string; after?: Cursor },
      answer,
    ) => {
      if (socket.data.readers.size >= JOINED) throw new Refusal('mailbox.full', { details: { conversations: JOINED } })
      const known = await desk.open(principal, conversation)
      if (!known) rooms.reserve(principal, conversation)
      if (!known && bot) bots.set(conversation, bot)
      await join(needs, principal.tenant.id, conversation, after, (joined: Joined) => {
        rooms.enter(socket, conversation)
        answer(joined)
      })
    },
    'conversation.leave': ({ conversation }: { conversation: string }, answer) => {
      rooms.leave(socket, conversation)
      bots.delete(conversation)
      answer({})
    },
    'message.send': async (message: { conversation: string; id: string; text: string }, answer) => {
      const bot = bots.get(message.conversation)
      answer(await desk.accept(principal, { ...message, ...(bot && { bot }) }))
    },
    'reply.stop': async ({ conversation }: { conversation: string }, answer) =>
      answer({ stopped: await desk.stop(principal, conversation) }),
    'reply.seen': ({ conversation, cursor }: { conversation: string; cursor: Cursor }, answer) => {
      socket.data.readers.get(conversation)?.seen(cursor.offset ?? 0)
      answer({})
    },
    'typing.started': ({ conversation }: { conversation: string }, answer) => {
      rooms.typing(socket, conversation, 'typing.started')
      answer({})
    },
    'typing.stopped': ({ conversation }: { conversation: string }, answer) => {
      rooms.typing(socket, conversation, 'typing.stopped')
      answer({})
    },
  }
}

export function refusedBy(error: unknown, log: Log): Refused {
  const { code, message, details, retryAfter } = refusing(error, log, { door: 'socket' })
  return { ok: false, code, message, ...(details !== undefined && { details }), ...(retryAfter !== undefined && { retryAfter }) }
}

/** No origin is no browser; our own page is welcome, others by setting. */
function isAllowed(origin: string | undefined, host: string | undefined, origins: string[]): boolean {
  if (!origin || origins.includes('*') || origins.includes(origin)) return true
  return URL.canParse(origin) && new URL(origin).host === host
}
