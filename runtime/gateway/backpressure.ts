/**
 * A reader that cannot keep up loses its live feed, whole, and joins again with its cursor when it can. Socket.IO queues without
 * limit and tells nobody, and `ws.bufferedAmount` stays near zero meanwhile: the queue is the connection's own `writeBuffer`,
 * which is private in the types. This is the only file that looks at it.
 */
import type { Socket } from 'socket.io'

/** UTF-16 units a reader who reports may lag behind. */
const UNSEEN = 65_536
/** Milliseconds without a report while something is outstanding. */
const SILENCE = 5_000
/** Packets in the queue of a reader who does not report: lagging, and beyond help. */
const QUEUED = 256
const HOPELESS = 1_024

export interface Reader {
  /** A frame of a reply was sent up to this offset. */
  sent(offset: number): void
  /** The reader tells what it has shown. */
  seen(offset: number): void
  isLagging(now: number): boolean
}

export function createReader(): Reader {
  let last = 0
  let acknowledged = 0
  let reports = false
  let reportedAt = 0
  return {
    sent(offset) {
      if (offset < last) acknowledged = 0 // a new attempt counts from its own start
      last = offset
    },
    seen(offset) {
      if (!reports) reports = true
      reportedAt = Date.now()
      acknowledged = Math.max(acknowledged, offset)
    },
    isLagging(now) {
      if (!reports || acknowledged >= last) return false
      return last - acknowledged > UNSEEN || now - reportedAt > SILENCE
    },
  }
}

export type Pressure = 'free' | 'lagging' | 'hopeless'

/** How long the queue of a socket's connection is. */
export function pressureOn(socket: Pick<Socket, 'conn'>): Pressure {
  const { length } = (socket.conn as unknown as { writeBuffer: unknown[] }).writeBuffer
  if (length > HOPELESS) return 'hopeless'
  return length > QUEUED ? 'lagging' : 'free'
}
