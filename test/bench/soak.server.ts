/** A node that tells how much it holds. */
import { defaultLimits } from '../../runtime/host/host.ts'
import { workLeft } from '../../sql/actors.ts'
import type { Database } from '../../sql/database.ts'
import { openNode } from './node.ts'
import { serve, settledMemory } from './worker.ts'

export interface Held {
  /** MB. */
  rss: number
  heap: number
  timers: number
  /** Sockets, rooms of the gateway and streams that are open. */
  open: number
  residents: number
  /** Rows of work that has not ended. */
  rows: number
}

let unhandled = 0
process.on('unhandledRejection', () => unhandled++)
process.on('warning', ({ name }) => {
  if (name === 'MaxListenersExceededWarning') unhandled++
})

let store: Database
const { url, engine, sockets, speeches } = await openNode({
  // What is at hand is full soon, so that whatever grows after that is a leak.
  limits: { ...defaultLimits, residents: 200 },
  through: (db) => {
    store = db
    return db
  },
})

serve({
  url: () => url,
  held: async (): Promise<Held> => {
    const { rss, heapUsed } = await settledMemory()
    const left = await workLeft(store)
    return {
      rss: rss / 2 ** 20,
      heap: heapUsed / 2 ** 20,
      timers: process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length,
      open: sockets.io.engine.clientsCount + sockets.io.sockets.adapter.rooms.size + speeches.count(),
      residents: engine.host.counts().residents,
      rows: left.effects + left.timers + left.inbox + left.deadLetters,
    }
  },
  unhandled: () => unhandled,
})
