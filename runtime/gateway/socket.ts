/** A socket of ours: what it may send, what it hears, and what we know of whoever holds it. */
import type { DefaultEventsMap, Server, Socket } from 'socket.io'
import type { Principal } from './auth.ts'
import type { Reader } from './backpressure.ts'
import type { ClientEvents, ServerEvents } from './protocol.ts'

interface SocketData {
  principal: Principal
  /** Conversations in whose rooms it is, with what it has seen of each. */
  readers: Map<string, Reader>
  /** Who is to answer the conversations that begin here, where the join named somebody. */
  bots: Map<string, string>
}

export type ChatSocket = Socket<ClientEvents, ServerEvents, DefaultEventsMap, SocketData>
export type ChatServer = Server<ClientEvents, ServerEvents, DefaultEventsMap, SocketData>
