/** Redis is asked for by a setting: then it must be there at start, and its loss costs no conversation. */
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { createAdapter } from '@socket.io/redis-adapter'
import { Redis } from 'ioredis'
import { Server } from 'socket.io'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { openRedis } from '../../../runtime/cluster/redis.ts'
import { testClient } from '../../support/client.ts'
import { leftOut } from '../../support/left-out.ts'
import { type Proxy, openProxy } from '../../support/proxy.ts'
import { testServer } from '../../support/server.ts'
import { until } from '../../support/until.ts'
import { within } from '../../support/within.ts'

const url = process.env.TEST_REDIS_URL

test('a Redis that does not answer stops the start with a sentence', async () => {
  let said = ''
  await testServer({ REDIS_URL: 'redis://127.0.0.1:1' }).catch((error: Error) => {
    said = error.message
  })
  assert.match(said, /REDIS_URL is set and Redis at 127\.0\.0\.1:1 cannot be used: connect ECONNREFUSED/)
})

test('a Redis that takes the connection and then hangs stops the start as well', async () => {
  const mute = createServer(() => {}).listen(0, '127.0.0.1')
  await once(mute, 'listening')
  const opening = openRedis(`redis://127.0.0.1:${(mute.address() as AddressInfo).port}`)
  try {
    const said = await within(
      10_000,
      opening.then(
        () => 'it is there',
        (error: Error) => error.message,
      ),
    )
    assert.match(said, /Redis at 127\.0\.0\.1:\d+ cannot be used: no answer within 3 s/)
  } finally {
    mute.close()
  }
})

if (!url) leftOut('nodes with a Redis: TEST_REDIS_URL is not set')
else {
  test('with Redis at hand readiness names it and conversations work as ever', async () => {
    const server = await testServer({ REDIS_URL: url })
    try {
      const ready = (await server.ask('GET', '/ready')).json() as { components: Record<string, { status: string }> }
      assert.is(ready.components.redis?.status, 'healthy')
      const client = await testClient(server.url)
      const { conversation } = await client.join()
      const told = await client.send(conversation, 'hello')
      assert.ok(told.ok)
      assert.match((await client.answerTo(told.id)).text, /offline stand-in/)
      client.close()
    } finally {
      await server.stop()
    }
  })

  for (const [how, fault] of [
    ['hangs', (proxy: Proxy) => proxy.set({ type: 'timeout' })],
    ['is gone', (proxy: Proxy) => (proxy.set({ type: 'reset_peer' }), proxy.reset())],
  ] as [string, (proxy: Proxy) => void][])
    test(`a node whose Redis ${how} stays ready, and says that it is slower`, async () => {
      const { hostname, port } = new URL(url)
      const proxy = await openProxy({ to: { host: hostname, port: Number(port || 6379) } })
      const server = await testServer({ REDIS_URL: proxy.at(url) })
      const ready = async () => {
        const { status, json } = await server.ask('GET', '/ready')
        const { redis } = (json() as { components: Record<string, { status: string; latency_ms: number }> }).components
        latencies.push(redis?.latency_ms ?? Infinity)
        return [status, redis?.status]
      }
      const latencies: number[] = []
      try {
        assert.equal(await ready(), [200, 'healthy'])
        fault(proxy)
        // Asked again and again: the one that finds the loss, and those that come while it is dialed anew.
        latencies.length = 0
        for (let time = 0; time < 4; time++) assert.equal(await ready(), [200, 'degraded'])
        // Not as late as the look at a part ends: which of the two were first would be chance.
        assert.ok(Math.min(...latencies) < 900, `${latencies}`)
        proxy.clear()
        await until(async () => (await ready())[1] === 'healthy', 'the way back')
      } finally {
        proxy.clear()
        await server.stop()
        await proxy.close()
      }
    })

  test('what a lost Redis has not done for the adapter ends no process', async () => {
    const redis = await openRedis(url)
    const { adapter } = new Server().adapter(redis.adapter('nexus:one')).of('/')
    await redis.close()
    // Each of these rejects, and neither Socket.IO nor ioredis waits for any; unheard of, the first would end this process.
    await Promise.all([
      adapter.close(),
      adapter.broadcast({ type: 2, nsp: '/', data: ['typing'] }, { rooms: new Set(), except: new Set() }),
    ])
    await new Promise(setImmediate)
  })

  test('control messages reach the nodes of a cluster, and nobody else who uses the same Redis', async () => {
    const nodes = await Promise.all(['nexus:one', 'nexus:one', 'nexus:two'].map(async (name) => ({ name, redis: await openRedis(url) })))
    // Of another project, under the names of whoever chooses none.
    const [publisher, subscriber] = [new Redis(url), new Redis(url)]
    try {
      const servers = [...nodes.map(({ name, redis }) => redis.adapter(name)), createAdapter(publisher, subscriber)].map((adapter) =>
        new Server().adapter(adapter),
      )
      const heard: string[][] = servers.map(() => [])
      servers.forEach((io, at) => io.on('said', (what: string) => heard[at]?.push(what)))
      const counts = () => Promise.all(servers.map((io) => io.of('/').adapter.serverCount()))
      await until(async () => String(await counts()) === '2,2,1,1', 'everybody to listen')
      for (const [at, io] of servers.entries()) io.serverSideEmit('said', `by ${at}`)
      await until(() => heard[0]!.length > 0 && heard[1]!.length > 0, 'the nodes to hear each other')
      assert.equal(heard, [['by 1'], ['by 0'], [], []])
    } finally {
      await Promise.all(nodes.map(({ redis }) => redis.close()))
      publisher.disconnect()
      subscriber.disconnect()
    }
  })
}

test.run()
