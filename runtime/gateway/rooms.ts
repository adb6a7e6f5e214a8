/** Who listens to which conversation: one subscription of the bus for each conversation that has sockets here. */
import { Refusal } from '../../machines/refusal.ts'
import { type Bus, type Frame, roomOf } from '../cluster/bus.ts'
import { type Principal, mayRead } from './auth.ts'
import { type Reader, createReader } from './backpressure.ts'
import type { ChatServer, ChatSocket } from './socket.ts'

export interface Rooms {
  /** Nobody has begun this conversation. Whoever listens for it first holds it against strangers until it exists. */
  reserve(principal: Principal, conversation: string): void
  enter(socket: ChatSocket, conversation: string): void
  /** The conversation is about to exist, and is this owner's: whoever may not read it hears nothing of it. */
  begun(tenant: string, conversation: string, owner: string): void
  leave(socket: ChatSocket, conversation: string): void
  typing(socket: ChatSocket, conversation: string, name: 'typing.started' | 'typing.stopped'): void
}

interface Room {
  sockets: Set<ChatSocket>
  /** Whose it is: its owner's, or before it exists that of whoever was here first. */
  holder: string
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
  const nameOf = (tenant: string, conversation: string) => `t:${tenant}:c:${conversation}`

  function open(first: Principal, conversation: string): Room {
    const name = nameOf(first.tenant.id, conversation)
    const found = rooms.get(name)
    if (found) return found
    const sockets = new Set<ChatSocket>()
    // Tokens leave on the node that holds the socket; a plain room emit would go through Redis even so.
    const here = io.local.to(name)
    const hear = ({ name: event, payload }: Frame) => {
      here.emit(event as 'reply.delta', payload as never)
      if (!(event in marks)) return
      for (const socket of sockets) {
        const reader = socket.data.readers.get(conversation)
        if (reader) marks[event as keyof typeof marks](reader, payload as { offset: number; text: string })
      }
    }
    const room: Room = { sockets, holder: first.who, end: bus.watch(roomOf(first.tenant.id, conversation), hear) }
    rooms.set(name, room)
    return room
  }

  return {
    reserve(principal, conversation) {
      const room = rooms.get(nameOf(principal.tenant.id, conversation))
      if (room && !mayRead(principal, room.holder)) throw new Refusal('conversation.unknown')
    },
    enter(socket, conversation) {
      if (!socket.connected) return // gone during its own join: nobody would ever take it out again
      const { principal } = socket.data
      open(principal, conversation).sockets.add(socket)
      socket.data.readers.set(conversation, createReader())
      void socket.join(nameOf(principal.tenant.id, conversation))
    },
    begun(tenant, conversation, owner) {
      const room = rooms.get(nameOf(tenant, conversation))
      if (room) room.holder = owner
      for (const socket of room?.sockets ?? []) {
        if (!mayRead(socket.data.principal, owner)) this.leave(socket, conversation)
      }
    },
    leave(socket, conversation) {
      const name = nameOf(socket.data.principal.tenant.id, conversation)
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
      socket.to(nameOf(principal.tenant.id, conversation)).volatile.emit(name, { conversation, who: principal.who })
    },
  }
}
