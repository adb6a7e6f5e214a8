/** Who listens to which conversation: one subscription of the bus for each conversation that has sockets here. */
import { Refusal } from '../../machines/refusal.ts'
import { type Bus, type Frame, roomOf } from '../cluster/bus.ts'
import { type Principal, mayRead } from './auth.ts'
import { type Reader, createReader } from './backpressure.ts'
import type { ChatServer, ChatSocket } from './sockets.ts'

export interface Rooms {
  /** Nobody has begun this conversation. Whoever listens for it first holds it against strangers until it exists. */
  reserve(principal: Principal, conversation: string): void
  enter(socket: ChatSocket, conversation: string): void
  leave(socket: ChatSocket, conversation: string): void
  typing(socket: ChatSocket, conversation: string, name: 'typing.started' | 'typing.stopped'): void
}

interface Room {
  sockets: Set<ChatSocket>
  /** Who was here first. */
  first: Principal
  end(): void
}

/** What an event means for the account of whoever hears it. */
const marks = {
  'reply.delta': (reader: Reader, { offset, text }: { offset: number; text: string }) => reader.sent(offset + text.length),
  'reply.finished': (reader: Reader) => reader.over(),
  'reply.retracted': (reader: Reader) => reader.over(),
}

export function createRooms(io: ChatServer, bus: Bus): Rooms {
  const rooms = new Map<string, Room>()
  // Never 20 characters long, which a Redis adapter would take for a socket's id.
  const nameOf = ({ tenant }: Principal, conversation: string) => `t:${tenant.id}:c:${conversation}`

  function open(first: Principal, conversation: string): Room {
    const name = nameOf(first, conversation)
    const found = rooms.get(name)
    if (found) return found
    const sockets = new Set<ChatSocket>()
    const hear = ({ name: event, payload }: Frame) => {
      // Tokens leave on the node that holds the socket; a plain room emit would go through Redis even so.
      io.local.to(name).emit(event as 'reply.delta', payload as never)
      if (!(event in marks)) return
      for (const socket of sockets) {
        const reader = socket.data.readers.get(conversation)
        if (reader) marks[event as keyof typeof marks](reader, payload as { offset: number; text: string })
      }
    }
    const room: Room = { sockets, first, end: bus.watch(roomOf(first.tenant.id, conversation), hear) }
    rooms.set(name, room)
    return room
  }

  return {
    reserve(principal, conversation) {
      const room = rooms.get(nameOf(principal, conversation))
      if (room && !mayRead(principal, room.first.who)) throw new Refusal('conversation.unknown')
    },
    enter(socket, conversation) {
      const { principal } = socket.data
      open(principal, conversation).sockets.add(socket)
      socket.data.readers.set(conversation, createReader())
      void socket.join(nameOf(principal, conversation))
    },
    leave(socket, conversation) {
      const name = nameOf(socket.data.principal, conversation)
      const room = rooms.get(name)
      socket.data.readers.delete(conversation)
      if (!room?.sockets.delete(socket)) return
      void socket.leave(name)
      if (room.sockets.size > 0) return
      room.end()
      rooms.delete(name)
    },
    typing(socket, conversation, name) {
      if (!socket.data.readers.has(conversation)) return
      const { principal } = socket.data
      socket.to(nameOf(principal, conversation)).volatile.emit(name, { conversation, who: principal.who })
    },
  }
}
