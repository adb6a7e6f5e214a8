/** Carriers on a line that breaks: they come back by themselves, and keep nothing that nobody waits for any more. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Carrier } from '../../../runtime/cluster/carrier.ts'
import { notifyCarrier } from '../../../runtime/cluster/carrier.notify.ts'
import { redisCarrier } from '../../../runtime/cluster/carrier.redis.ts'
import type { Log } from '../../../runtime/watch/log.ts'
import { openDatabase } from '../../../sql/database.ts'
import { leftOut } from '../../support/left-out.ts'
import { openProxy, type Proxy } from '../../support/proxy.ts'
import { until } from '../../support/until.ts'
import { within } from '../../support/within.ts'

interface Broken {
  carrier: Carrier
  proxy: Proxy
  lines: string[]
  heard: string[]
  address: string
  /** Until what is carried arrives. */
  works(): Promise<void>
}

type Open = (url: string, log: Log, real: string) => Promise<Carrier>

async function broken(real: string, open: Open, run: (one: Broken) => Promise<void>) {
  const { hostname: host, port } = new URL(real)
  const proxy = await openProxy({ to: { host, port: Number(port) } })
  const lines: string[] = []
  const write = (_: object, sentence: string) => void lines.push(sentence)
  const carrier = await open(proxy.at(real), { debug() {}, info: write, warn: write, error: write }, real)
  const address = `test:${process.pid}.${process.hrtime.bigint()}/life`
  const heard: string[] = []
  let n = 0
  async function works() {
    const text = `again ${++n}`
    await until(async () => (await carrier.carry(address, text).catch(() => false)) && heard.includes(text), 'a parcel', 20_000)
  }
  try {
    await within(
      10_000,
      carrier.listen(address, (parcel) => void heard.push(parcel)),
      'listening',
    )
    await works()
    await run({ carrier, proxy, lines, heard, address, works })
  } finally {
    proxy.clear()
    await within(10_000, carrier.close(), 'closing')
    await proxy.close()
  }
}

const redis: Open = async (url, log) => redisCarrier({ url, log })
/** Only the listening connection breaks: the pool of the store has its own tests. */
const notify: Open = async (url, log, real) => {
  const db = await openDatabase({ url: real, max: 2 })
  const carrier = notifyCarrier({ db, url, log })
  return { ...carrier, close: () => carrier.close().then(() => db.close()) }
}

const servers = [
  { name: 'redis', open: redis, url: process.env.TEST_REDIS_URL, variable: 'TEST_REDIS_URL' },
  { name: 'notify', open: notify, url: process.env.TEST_DATABASE_URL, variable: 'TEST_DATABASE_URL' },
]

for (const { name, open, url, variable } of servers) {
  if (!url) {
    leftOut(`${name} comes back: ${variable} is not set`)
    continue
  }

  test(`${name} comes back after its connections were reset, again and again, and says so`, () =>
    broken(url, open, async ({ proxy, lines, works }) => {
      for (let round = 1; round <= 3; round++) {
        proxy.reset()
        await until(() => lines.length === round * 2 - 1, 'it is noticed', 3_000)
        await works()
        await until(() => lines.length === round * 2, 'it is said')
      }
      assert.match(lines[0] ?? '', /lost/)
      assert.match(lines[1] ?? '', /again/)
      assert.equal(lines, [lines[0], lines[1], lines[0], lines[1], lines[0], lines[1]])
    }))

  test(`${name} notices a line on which nothing comes any more, and comes back when it is healed`, () =>
    broken(url, open, async ({ proxy, lines, works }) => {
      proxy.set({ type: 'drop' })
      await until(() => lines.length > 0, 'it is noticed', 15_000)
      proxy.clear()
      await works()
      await until(() => /again/.test(lines.at(-1) ?? ''), 'it is said')
    }))

  test(`${name} can listen to more while it is away`, () =>
    broken(url, open, async ({ carrier, proxy, address, works }) => {
      proxy.set({ type: 'reset_peer' })
      proxy.reset()
      const heard: string[] = []
      const listening = carrier.listen(`${address}2`, (parcel) => void heard.push(parcel))
      await new Promise((resolve) => setImmediate(resolve))
      proxy.clear()
      await within(10_000, listening, 'listening')
      await works()
      await carrier.carry(`${address}2`, 'here')
      await until(() => heard.includes('here'), 'the parcel')
    }))

  test(`${name} can be closed while it is away`, () =>
    broken(url, open, async ({ carrier, proxy }) => {
      proxy.set({ type: 'drop' })
      await within(5_000, carrier.close(), 'closing')
    }))
}

const [redisUrl, postgresUrl] = servers.map(({ url }) => url)
if (redisUrl)
  test('redis refuses what it cannot carry within a second or so, and does not carry it later', () =>
    broken(redisUrl, redis, async ({ carrier, proxy, heard, address, works }) => {
      proxy.set({ type: 'drop' })
      const fails = (text: string) =>
        within(
          2_000,
          carrier.carry(address, text).then(
            () => 'carried',
            () => 'refused',
          ),
        )
      assert.is(await fails('lost 1'), 'refused')
      proxy.set({ type: 'reset_peer' })
      proxy.reset()
      await until(async () => (await carrier.carry(address, 'lost 2').catch((why: Error) => why.message))?.toString().includes('writeable'))
      const took: number[] = []
      // The shortest of a few, since the machine may be busy with something else.
      for (let time = 3; time < 13 && !took.some((ms) => ms < 200); time++) {
        const began = performance.now()
        assert.is(await fails(`lost ${time}`), 'refused')
        took.push(performance.now() - began)
      }
      assert.ok(Math.min(...took) < 200, `at once: ${took}`)
      proxy.clear()
      await works()
      assert.equal(
        heard.filter((text) => text.startsWith('lost')),
        [],
      )
    }))

const pooled: Open = async (url, log, real) => {
  const db = await openDatabase({ url, max: 1 })
  const carrier = notifyCarrier({ db, url: real, log })
  return { ...carrier, close: () => carrier.close().then(() => db.close()) }
}

if (postgresUrl)
  test('notify rejects what the store does not take, and has no line behind it when the store is back', () =>
    broken(postgresUrl, pooled, async ({ carrier, proxy, address, works }) => {
      proxy.set({ type: 'reset_peer' })
      proxy.reset()
      const answers = Array.from({ length: 20 }, () =>
        carrier.carry(address, 'lost').then(
          () => 'carried',
          () => 'rejected',
        ),
      )
      assert.equal(await within(10_000, Promise.all(answers)), Array(20).fill('rejected'))
      proxy.clear()
      await works()
    }))

if (postgresUrl)
  test('notify keeps no more than a few megabytes for a store that does not answer', () =>
    broken(postgresUrl, pooled, async ({ carrier, proxy, address, works }) => {
      proxy.set({ type: 'timeout' })
      const counts = { rejected: 0, asked: 0 }
      const parcel = 'x'.repeat(7_000)
      const answers = Array.from({ length: 1_000 }, () => {
        counts.asked++
        return carrier.carry(address, parcel).catch(() => void counts.rejected++)
      })
      await until(() => counts.rejected > 350, 'some are rejected')
      proxy.clear()
      await within(20_000, Promise.all(answers))
      assert.ok(counts.rejected < 450, `${counts.rejected} of ${counts.asked}`)
      await within(20_000, Promise.all(Array.from({ length: 400 }, () => carrier.carry(address, parcel))))
      await works()
    }))

test.run()
