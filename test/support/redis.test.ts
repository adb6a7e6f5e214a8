import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { leftOut } from './left-out.ts'
import { openProxy } from './proxy.ts'
import { type RedisServer, startRedis, whyNoRedis } from './redis.ts'
import { until } from './until.ts'
import { within } from './within.ts'

const why = whyNoRedis()
if (why) leftOut(`a Redis of our own: ${why}`)
const withRedis = why ? test.skip : test

let folder: string
let redis: RedisServer | undefined
const clients: Redis[] = []

function client(url: string): Redis {
  const made = new Redis(url, { retryStrategy: () => 20, maxRetriesPerRequest: null })
  made.on('error', () => {})
  clients.push(made)
  return made
}

async function server(): Promise<RedisServer> {
  redis ??= await within(20_000, startRedis({ folder }), 'starting')
  return redis
}

test.before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nexus-redis-'))
})
test.after.each(() => {
  for (const one of clients.splice(0)) one.disconnect()
})
test.after(async () => {
  await redis?.stop()
  await rm(folder, { recursive: true, force: true })
})

withRedis('it answers on a port that the kernel gives to nobody, and keeps nothing on disk', async () => {
  const { url, port } = await server()
  assert.ok(port < 32_768)
  const one = client(url)
  assert.is(await one.set('who', 'me'), 'OK')
  assert.equal(await one.config('GET', 'save'), ['save', ''])
})

withRedis('after a restart it is another process on the same port, and empty', async () => {
  const { url, pid, restart } = await server()
  const one = client(url)
  await one.set('who', 'me')
  await within(10_000, restart(), 'the restart')
  assert.is.not(redis?.pid, pid)
  assert.is(await within(5_000, one.get('who'), 'the same client, connected anew'), null)
})

withRedis('paused it answers nobody and keeps its connections', async () => {
  const { url, pause, resume } = await server()
  const one = client(url)
  await one.set('who', 'me')
  pause()
  let answered = false
  const asked = one.get('who').then((value) => {
    answered = true
    return value
  })
  // Another process has answered a question of its own meanwhile.
  await assertNobodyAnswers(url)
  assert.is(answered, false)
  resume()
  assert.is(await within(5_000, asked, 'the answer'), 'me')
})

async function assertNobodyAnswers(url: string) {
  const other = new Redis(url, { retryStrategy: () => null, connectTimeout: 100, commandTimeout: 100, maxRetriesPerRequest: 0 })
  other.on('error', () => {})
  clients.push(other)
  let refused: unknown
  await other.ping().catch((error) => {
    refused = error
  })
  assert.ok(refused)
}

withRedis('flushed it knows nothing', async () => {
  const { url, flush } = await server()
  const one = client(url)
  await one.set('who', 'me')
  await flush()
  assert.is(await one.get('who'), null)
})

withRedis('full it refuses writes and answers reads, until it is not', async () => {
  const { url, fill, unfill } = await server()
  const one = client(url)
  await one.set('who', 'me')
  await fill()
  await one.set('who', 'somebody else').then(assert.unreachable, ({ message }) => assert.match(message, /^OOM/))
  assert.is(await one.get('who'), 'me')
  assert.is(await one.publish('news', 'text'), 0)
  await unfill()
  assert.is(await one.set('who', 'you'), 'OK')
})

withRedis('read-only it refuses writes and answers reads, until it is not', async () => {
  const { url, readOnly } = await server()
  const one = client(url)
  await one.set('who', 'me')
  await readOnly(true)
  await one.set('who', 'somebody else').then(assert.unreachable, ({ message }) => assert.match(message, /^READONLY/))
  assert.is(await one.get('who'), 'me')
  await readOnly(false)
  assert.is(await one.set('who', 'you'), 'OK')
})

withRedis('behind a proxy it can be cut off for one client alone', async () => {
  const { url, port } = await server()
  const proxy = await openProxy({ to: { host: '127.0.0.1', port } })
  try {
    const [cut, other] = [client(proxy.at(url)), client(url)]
    await cut.set('who', 'me')
    proxy.set({ type: 'timeout' })
    const asked = cut.get('who')
    await other.set('who', 'you')
    proxy.clear()
    assert.is(await within(5_000, asked, 'the answer that was held'), 'you')
    proxy.set({ type: 'drop' })
    const lost = cut.incr('count')
    await until(() => proxy.connections() > 0 && cut.status === 'ready', 'the question is out')
    await other.ping()
    proxy.clear()
    assert.is(await within(5_000, lost, 'asked again over a new connection'), 1)
  } finally {
    for (const one of clients.splice(0)) one.disconnect()
    await proxy.close()
  }
})

test('where none is installed the start says so in a sentence', async () => {
  const path = process.env.PATH
  process.env.PATH = folder
  try {
    await startRedis({ folder }).then(assert.unreachable as () => never, ({ message }: Error) => {
      assert.is(message, 'No Redis can be started: redis-server is not installed.')
    })
  } finally {
    process.env.PATH = path
  }
})

test.run()
