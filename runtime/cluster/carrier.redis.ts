/** Parcels by PUBLISH of Redis, which says how many have heard one. Nothing is kept while Redis is away: whoever sends wants to know. */
import { Redis } from 'ioredis'
import type { Log } from '../watch/log.ts'
import type { Carrier } from './carrier.ts'

/** Milliseconds between two signs of life that the listening connection asks for: it would not notice a cable that was cut. */
const PING = 5_000

const options = {
  enableOfflineQueue: false,
  maxRetriesPerRequest: 0, // whatever is unanswered when the connection goes is rejected at once
  autoResubscribe: false, // we do it ourselves at every start, the first included
  commandTimeout: 1_000,
  connectTimeout: 3_000,
  socketTimeout: 3_000, // a connection that owes an answer for so long is made anew
  retryStrategy: (times: number) => Math.min(times * 50, 1_000),
}

export function redisCarrier({ url, log }: { url: string; log: Log }): Carrier {
  const talk = new Redis(url, { ...options, connectionName: 'nexus talk' })
  const ear = new Redis(url, { ...options, connectionName: 'nexus ear' })
  const hears = new Map<string, (parcel: string) => void>()
  /** Resolve when what they wait for is subscribed to. */
  let listening: (() => void)[] = []
  let lost = false

  for (const one of [talk, ear]) {
    one.on('error', () => {}) // each command that fails says so itself
    one.on('close', () => tell(true))
    one.on('ready', () => talk.status === ear.status && tell(false))
  }

  function tell(isLost: boolean) {
    if (lost === isLost || closed) return
    lost = isLost
    if (isLost) log.warn({ carrier: 'redis' }, 'Redis is lost; letters between nodes go another way')
    else log.info({ carrier: 'redis' }, 'Redis is there again')
  }

  async function subscribe() {
    if (hears.size === 0 || ear.status !== 'ready') return
    const waiting = listening
    listening = []
    try {
      await ear.subscribe(...hears.keys())
      for (const done of waiting) done()
    } catch {
      // The next connection subscribes again. One that lives and does not answer is ended by its socketTimeout.
      listening.push(...waiting)
    }
  }
  ear.on('ready', subscribe)
  ear.on('message', (address: string, parcel: string) => hears.get(address)?.(parcel))

  const pings = setInterval(() => {
    // What it asks is answered or ends the connection; how is of no interest.
    if (ear.status === 'ready') ear.ping().catch(() => {})
  }, PING)
  pings.unref()
  let closed = false

  return {
    name: 'redis',
    most: 1024 * 1024,
    carry: async (address, parcel) => (await talk.publish(address, parcel)) > 0,
    listen(address, hear) {
      hears.set(address, hear)
      return new Promise((resolve) => {
        listening.push(resolve)
        void subscribe()
      })
    },
    async close() {
      closed = true
      clearInterval(pings)
      hears.clear()
      talk.disconnect()
      ear.disconnect()
    },
  }
}
