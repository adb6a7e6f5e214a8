/** Readers that cannot keep up, against the doors alone: the bus is played by hand, so that a flood needs no model. */
import { ownStage } from '../../../runtime/cluster/stage.ts'
import { once } from 'node:events'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createAuthenticator } from '../../../runtime/gateway/auth.ts'
import { createReader, pressureOn } from '../../../runtime/gateway/backpressure.ts'
import type { Desk } from '../../../runtime/gateway/desk.ts'
import { createApp } from '../../../runtime/gateway/http.ts'
import { short } from '../../../runtime/gateway/grammar.ts'
import type { ChatSocket } from '../../../runtime/gateway/socket.ts'
import { openSockets } from '../../../runtime/gateway/sockets.ts'
import { stream } from '../../../runtime/gateway/sse.ts'
import { memoryBus } from '../../../runtime/cluster/bus.memory.ts'
import { roomOf } from '../../../runtime/cluster/bus.ts'
import type { Engine } from '../../../runtime/host/engine.ts'
import { silent } from '../../../runtime/watch/log.ts'
import { createMetrics } from '../../../runtime/watch/metrics.ts'
import { demo } from '../../../sql/tenants.ts'
import { testClient } from '../../support/client.ts'
import { until } from '../../support/server.ts'
import { type StalledReader, stalledSocket, stalledStream } from '../../support/stalled.ts'
import { freshStore } from '../../support/store.ts'

const store = await freshStore()
const { db } = store
const bus = memoryBus()
const authenticate = createAuthenticator({ db, environment: 'development', apiKey: undefined, jwtSecret: undefined })
const app = createApp({
  log: silent,
  metrics: createMetrics(),
  authenticate,
  bodyLimit: 1_000_000,
  origins: [],
  docs: false,
  version: '0',
  page: '/nowhere',
})
const engine = { host: { position: () => undefined }, speeches: { live: () => undefined } } as unknown as Engine
const desk = { open: async () => undefined, ownerOf: async () => undefined, check() {} } as unknown as Desk
app.after(() => {
  app.post('/stream', (request, reply) =>
    stream({ db, bus, stage: ownStage(engine) }, request, reply, {
      tenant: demo.id,
      conversation: (request.body as { conversation: string }).conversation,
      message: 'm',
      grammar: short('s'),
      begin: async () => ({ seq: 1 }),
    }),
  )
})
await app.listen({ port: 0, host: '127.0.0.1' })
const sockets = openSockets({
  http: app.server,
  db,
  bus,
  stage: ownStage(engine),
  desk,
  authenticate,
  log: silent,
  origins: [],
  frameLimit: 1_000_000,
})
const url = `http://127.0.0.1:${(app.server.address() as { port: number }).port}`

test.after(async () => {
  await sockets.close()
  await app.close()
  await store.close()
})

const PIECE = 'x'.repeat(16_384)
const breath = () => new Promise((resolve) => setImmediate(resolve))

/** One attempt that says so many pieces, or until something is true; resolves with how many it said. */
function talker(conversation: string) {
  const room = roomOf(demo.id, conversation)
  let said = 0
  bus.publish({ room, name: 'turn.started', payload: { conversation, seq: 2, turn: 't1', messages: ['m'] } })
  return async (isEnough: (said: number) => boolean) => {
    for (let count = 0; count < 8_000 && !isEnough(said); count++) {
      bus.publish({
        room,
        name: 'reply.delta',
        payload: { conversation, turn: 't1', attempt: 1, offset: said++ * PIECE.length, text: PIECE },
      })
      await breath()
    }
    return said
  }
}

/** The server's side of the reader that came last. */
const youngest = () => [...sockets.io.sockets.sockets.values()].at(-1) as ChatSocket
const queueOf = (socket: Parameters<typeof pressureOn>[0]) => (socket.conn as unknown as { writeBuffer: unknown[] }).writeBuffer.length

test('a reader that stops reading is told that it lags, and costs nothing more; another one hears everything', async () => {
  const conversation = crypto.randomUUID()
  const healthy = await testClient(url)
  await healthy.join(conversation)
  const stalled = await stalledSocket(url, conversation)
  const side = youngest()
  const say = talker(conversation)
  const pressed = await say(() => pressureOn(side) === 'lagging')
  assert.is(pressureOn(side), 'lagging')
  const room = `t:${demo.id}:c:${conversation}`
  await until(() => sockets.io.sockets.adapter.rooms.get(room)?.size === 1, 'leaving the room')
  const queued = queueOf(side)
  const said = await say((count) => count >= pressed + 500)
  assert.ok(queueOf(side) <= queued, `${queueOf(side)} instead of ${queued}`)
  await until(() => healthy.heard.filter(([name]) => name === 'reply.delta').length === said, 'all of it')
  console.log(`a stalled socket was noticed after ${pressed} frames of 16 KB; ${queued} packets wait in the process`)
  stalled.wake()
  await until(() => stalled.read().includes('conversation.lagged'), 'the word of it', 20_000)
  stalled.socket.destroy()
  healthy.close()
})

test('a reader beyond help is cut', async () => {
  const conversation = crypto.randomUUID()
  const stalled = await stalledSocket(url, conversation)
  const side = youngest()
  const gone = new Promise((resolve) => side.conn.once('close', resolve))
  let isGone = false
  void gone.then(() => {
    isGone = true
  })
  // Past the rooms, which it would have had to leave long before.
  for (let said = 0; said < 8_000 && pressureOn(side) !== 'hopeless'; said++) {
    side.emit('conversation.lagged', { conversation, reason: PIECE as 'slow' })
    if (said % 16 === 0) await breath()
  }
  await until(() => isGone, 'the cut', 5_000)
  assert.is(sockets.io.sockets.adapter.rooms.has(`t:${demo.id}:c:${conversation}`), false)
  stalled.socket.destroy()
})

test('a reader that reports and falls behind is told, though its line takes everything', async () => {
  const conversation = crypto.randomUUID()
  const one = await testClient(url)
  await one.join(conversation)
  await one.tell('reply.seen', { conversation, cursor: { seq: 2, turn: 't1', attempt: 1, offset: 10 } })
  const say = talker(conversation)
  await say((said) => said >= 6)
  assert.is((await one.hears('conversation.lagged')).reason, 'slow')
  const before = one.heard.length
  await say((said) => said >= 12)
  await one.tell('conversation.leave', { conversation })
  assert.is(one.heard.length, before, 'nothing more is sent')
  one.close()
})

test('a reader lags by what is outstanding or by silence, and never by a pause of the speaker', () => {
  let now = 0
  const reader = createReader(() => now)
  reader.sent(1_000_000)
  assert.is(reader.isLagging(), false, 'one who never reports is judged by its queue')
  reader.seen(1_000_000)
  now = 60_000
  reader.sent(1_000_100)
  assert.is(reader.isLagging(), false, 'a minute of silence was the speaker’s')
  now += 5_001
  assert.is(reader.isLagging(), true)
  reader.seen(1_000_100)
  assert.is(reader.isLagging(), false)
  reader.sent(1_000_100 + 65_537)
  assert.is(reader.isLagging(), true)
  reader.sent(10)
  assert.is(reader.isLagging(), false, 'a new attempt counts from its start')
  reader.over()
  now += 60_000
  assert.is(reader.isLagging(), false, 'a finished reply is owed to nobody')
})

test('a stream whose reader does not read is held within bounds and ends; it comes back with its cursor', async () => {
  const conversation = crypto.randomUUID()
  const stalled: StalledReader = await stalledStream(url, '/stream', { conversation })
  const say = talker(conversation)
  const connection = [...(await openConnections())].at(-1)
  assert.ok(connection)
  let held = 0
  // Every frame that no watcher hears any more costs nothing.
  const said = await say((count) => {
    held = Math.max(held, connection.writableLength)
    return count >= 6_000
  })
  assert.is(said, 6_000)
  console.log(`a stalled stream of ${(said * 16.384) / 1000} MB holds at most ${(held / 1e3).toFixed(0)} KB in its connection`)
  assert.ok(held < 4_000_000, `${held}`)
  stalled.wake()
  await until(() => stalled.read().endsWith('0\r\n\r\n'), 'the end of the stream', 20_000)
  stalled.socket.destroy()
})

const open = new Set<import('node:net').Socket>()
app.server.on('connection', (socket) => {
  open.add(socket)
  void once(socket, 'close').then(
    () => open.delete(socket),
    () => open.delete(socket),
  )
})
const openConnections = async () => open

test.run()
