/**
 * A reader that cannot keep up loses its live feed, whole, and joins again with its cursor when it can. Socket.IO queues without
 * limit and tells nobody, and `ws.bufferedAmount` stays near zero meanwhile: the queue is the connection's own `writeBuffer`,
 * which is private in the types. This is the only file that looks at it.
 */
import type { Socket } from 'socket.io'
import type { Rooms } from './rooms.ts'
import type { ChatSocket } from './socket.ts'

/** UTF-16 units a reader who reports may lag behind. */
const UNSEEN = 65_536
/** Milliseconds without a report while something is outstanding. */
const SILENCE = 5_000
/** Packets and UTF-16 units in the queue of a reader who does not report: lagging. */
const QUEUED = 256
const QUEUED_UNITS = 131_072
/** Packets beyond which nobody comes back to read. */
const HOPELESS = 1_024

export interface Reader {
  /** A frame of a reply was sent up to this offset. */
  sent(offset: number): void
  /** The reader tells what it has shown. */
  seen(offset: number): void
  /** The reply is finished or withdrawn: what of it was not reported no longer counts. */
  over(): void
  isLagging(): boolean
}

export function createReader(now: () => number = () => performance.now()): Reader {
  let last = 0
  let acknowledged = 0
  let reports = false
  /** Since when something is outstanding and nothing was reported. */
  let since = 0
  return {
    sent(offset) {
      if (offset < last) acknowledged = 0 // a new attempt counts from its own start
      if (acknowledged >= last || offset < last) since = now()
      last = offset
    },
    seen(offset) {
      reports = true
      since = now()
      acknowledged = Math.max(acknowledged, Math.min(offset, last))
    },
    over() {
      last = acknowledged = 0
    },
    isLagging() {
      if (!reports || acknowledged >= last) return false
      return last - acknowledged > UNSEEN || now() - since > SILENCE
    },
  }
}

export type Pressure = 'free' | 'lagging' | 'hopeless'

/** How long the queue of a socket's connection is. */
export function pressureOn(socket: Pick<Socket, 'conn'>): Pressure {
  const { writeBuffer } = socket.conn as unknown as { writeBuffer: { data?: unknown }[] }
  if (writeBuffer.length > HOPELESS) return 'hopeless'
  if (writeBuffer.length > QUEUED) return 'lagging'
  let units = 0
  for (const { data } of writeBuffer) if (typeof data === 'string') units += data.length
  return units > QUEUED_UNITS ? 'lagging' : 'free'
}

/** Looks at every socket once: who lags leaves its rooms and is told to join again; who is hopeless is cut off. */
export function relieve(sockets: Iterable<ChatSocket>, rooms: Pick<Rooms, 'leave'>): void {
  for (const socket of sockets) {
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
}

/** Ends a connection and everything that waits in it. Without the second call it would wait for a reader who does not read. */
export function cut(socket: Pick<Socket, 'conn' | 'disconnect'>): void {
  const { conn } = socket
  socket.disconnect(true)
  conn.close(true)
}
