/** Parcels by LISTEN and NOTIFY of PostgreSQL: no other server is needed. Nobody says whether anyone listens. */
import { createHash } from 'node:crypto'
import type { Database } from '../../sql/database.ts'
import { type Note, notify, openEar } from '../../sql/letters.ts'
import type { Log } from '../watch/log.ts'
import type { Carrier } from './carrier.ts'

/** Parcels that stand in line for the transaction that is under way, in bytes: more than this says that none comes to an end. */
const LINE = 4 * 1024 * 1024

interface Waiting extends Note {
  done(): void
  fail(why: unknown): void
}

export function notifyCarrier({ db, url, log }: { db: Pick<Database, 'sql'>; url: string; log: Log }): Carrier {
  const ear = openEar(url, {
    lost: (err) => log.warn({ carrier: 'notify', err }, 'the connection that hears letters from other nodes is lost'),
    back: () => log.info({ carrier: 'notify' }, 'letters from other nodes are heard again'),
  })
  let line: Waiting[] = []
  let units = 0
  let telling = false
  let closed = false

  /** One transaction at a time keeps them in order, and each takes all that have come meanwhile: the commit is what costs. */
  async function tell() {
    telling = true
    while (line.length > 0) {
      const all = line
      line = []
      units = 0
      try {
        await notify(db, all)
        for (const { done } of all) done()
      } catch (why) {
        for (const { fail } of all) fail(why)
      }
    }
    telling = false
  }

  return {
    name: 'notify',
    most: 7_900, // PostgreSQL takes less than 8000
    pause: 15,
    carry(address, text) {
      if (closed) return Promise.reject(new Error('the carrier is closed'))
      if (units + text.length > LINE) return Promise.reject(new Error('too many letters wait for PostgreSQL'))
      return new Promise((resolve, reject) => {
        line.push({ channel: channelOf(address), text, done: () => resolve(true), fail: reject })
        units += text.length
        // What is carried in the same turn goes along.
        if (!telling) {
          telling = true
          queueMicrotask(tell)
        }
      })
    },
    listen: (address, hear) => ear.listen(channelOf(address), hear),
    async close() {
      closed = true
      await ear.close()
    },
  }
}

/** The name of a channel has at most 63 bytes. */
const channelOf = (address: string) => `nexus_${createHash('sha256').update(address).digest('hex').slice(0, 40)}`
