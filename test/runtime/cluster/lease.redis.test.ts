import { randomUUID } from 'node:crypto'
import { Redis } from 'ioredis'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { redisLease } from '../../../runtime/cluster/lease.redis.ts'
import { leftOut } from '../../support/left-out.ts'
import { until } from '../../support/until.ts'

const url = process.env.TEST_REDIS_URL
const LONG = 60_000

async function withLease(use: (lease: ReturnType<typeof redisLease>, redis: Redis, prefix: string) => Promise<void>) {
  const redis = new Redis(url as string)
  const prefix = `test:${randomUUID()}`
  try {
    await use(redisLease({ redis, prefix }), redis, prefix)
  } finally {
    await redis.del(...['a', 'b'].map((life) => `${prefix}:lease:${life}`))
    redis.disconnect()
  }
}

if (!url) leftOut('leases in Redis: TEST_REDIS_URL is not set')
else {
  test('a lease runs from when it is given until it has run out, and is renewed only while it runs', () =>
    withLease(async (lease, redis, prefix) => {
      assert.equal([await lease.renew('a', LONG), await lease.runs('a')], [false, false])
      await lease.give('a', LONG)
      assert.equal([await lease.runs('a'), await lease.runs('b')], [true, false])
      assert.is(await lease.renew('a', 2 * LONG), true)
      assert.ok((await redis.pttl(`${prefix}:lease:a`)) > LONG)
      await lease.give('b', 1)
      await until(async () => !(await lease.runs('b')), 'its end')
      assert.is(await lease.renew('b', LONG), false)
    }))

  test('a lease that was ended is not renewed any more', () =>
    withLease(async (lease) => {
      await lease.give('a', LONG)
      await lease.give('b', LONG)
      await lease.end('a')
      assert.equal([await lease.renew('a', LONG), await lease.runs('a'), await lease.runs('b')], [false, false, true])
    }))
}

test.run()
