/** The protocol over Socket.IO, against the whole system with scripted models. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { memoryBus } from '../../../runtime/cluster/bus.memory.ts'
import type { Message } from '../../../runtime/gateway/protocol.ts'
import { openSockets } from '../../../runtime/gateway/sockets.ts'
import { silent } from '../../../runtime/watch/log.ts'
import { lengthen } from '../../support/lengthen.ts'
import { type TestClient, type Told, cursorOf, read, readFrom, reading, testClient } from '../../support/client.ts'
import { providerDouble } from '../../support/provider.ts'
import { jwtSecret, modelsAt, testServer, token, until } from '../../support/server.ts'
import { within } from '../../support/within.ts'

const double = await providerDouble()
const server = await testServer({ ...modelsAt(double, 'openai'), JWT_SECRET: jwtSecret, MAX_INPUT_LENGTH: '2000' })
const clients: TestClient[] = []
const client = async (who?: string, role = 'visitor', more: Record<string, unknown> = {}) => {
  const made = await testClient(server.url, who ? { token: await token({ sub: who, role, ...more }) } : {})
  clients.push(made)
  return made
}

const words = (count: number) => Array.from({ length: count }, (_, at) => `word${at} `)
const question = 'Please explain how the tides of the sea come about. A short answer will do.'
const refusedWith = (told: Told<object>) => (told.ok ? 'ok' : told.code)

test.after.each(() => {
  for (const one of clients.splice(0)) one.close()
  double.forget()
})
test.after(async () => {
  await server.stop()
  await double.close()
})

test('a message is answered word by word, and the words are the reply', async () => {
  const one = await client()
  const { conversation, seq, messages, state } = await one.join()
  assert.equal([seq, messages, state.attention], [0, [], 'automated'])
  double.next({ text: words(20), pace: 5 })
  const id = crypto.randomUUID()
  assert.equal(await one.send(conversation, question, id), { ok: true, id, seq: 1 })
  const reply = await one.answerTo(id)
  assert.is(reply.text, words(20).join(''))
  const so = read(reading(), one.heard)
  assert.equal(so.faults, [])
  assert.equal(
    so.finished.map(({ text }) => text),
    [reply.text],
  )
  assert.ok(one.heard.filter(([name]) => name === 'reply.delta').length > 1, 'it came in pieces')
})

test('the acknowledgement comes only once the message is durable', async () => {
  const one = await client()
  const { conversation } = await one.join()
  const told = await one.send(conversation, question)
  assert.ok(told.ok)
  const rows = await server.db.sql`select seq from messages where conversation = ${conversation} and id = ${told.id}`
  assert.is(rows.length, 1)
  await one.answerTo(told.id)
})

test('joining an unknown id of the own making may be repeated without harm', async () => {
  const one = await client()
  const id = crypto.randomUUID()
  for (let time = 0; time < 3; time++)
    assert.equal(await one.join(id), {
      ok: true,
      conversation: id,
      seq: 0,
      state: { value: 'automated', attention: 'automated' },
      messages: [],
    } as never)
})

test('a repeated message is a duplicate with the same number, and with another text a conflict', async () => {
  const one = await client()
  const { conversation } = await one.join()
  const id = crypto.randomUUID()
  const [first, ...rest] = await Promise.all([1, 2, 3, 4].map(() => one.send(conversation, question, id)))
  assert.equal(first, { ok: true, id, seq: 1 })
  for (const again of rest) assert.equal(again, { ok: true, id, seq: 1, duplicate: true })
  assert.is(refusedWith(await one.send(conversation, 'something else altogether', id)), 'message.conflict')
  await one.answerTo(id)
  assert.equal(await one.send(conversation, question, id), { ok: true, id, seq: 1, duplicate: true })
  assert.is(one.heard.filter(([name]) => name === 'turn.started').length, 1)
})

test('a rejoin in the middle of a reply brings exactly what was missed, words included', async () => {
  const one = await client()
  const [other, back] = [await client(), await client()]
  const { conversation } = await one.join()
  await other.join(conversation)
  double.next({ text: words(150), pace: 10 })
  const { ok, ...sent } = await one.send(conversation, question)
  assert.ok(ok)
  await until(() => one.heard.filter(([name]) => name === 'reply.delta').length > 3, 'some words')
  one.socket.disconnect()
  const before = read(reading(), one.heard)
  const cursor = cursorOf(before)
  assert.ok((cursor.offset ?? 0) > 0)
  await until(() => read(reading(), other.heard).text.length > before.text.length + 30, 'more words meanwhile')

  const { missed, live } = await back.join(conversation, cursor)
  assert.ok(missed)
  assert.ok(live)
  const [name, payload] = missed[0] as [string, { offset: number }]
  assert.equal([name, payload.offset], ['reply.delta', cursor.offset])
  read(before, missed)
  assert.is(before.text, live.text)
  const { id } = sent as { id: string }
  const whole = await other.answerTo(id)
  await back.hears('turn.finished')
  read(before, back.heard)
  assert.equal(before.faults, [])
  assert.equal(
    before.finished.map(({ text }) => text),
    [whole.text],
  )
  assert.is(whole.text, words(150).join(''))
})

test('a fresh join in the middle of a reply gets the whole text so far and goes on from there', async () => {
  const [one, late] = [await client(), await client()]
  const { conversation } = await one.join()
  double.next({ text: words(150), pace: 10 })
  await one.send(conversation, question)
  await until(() => one.heard.filter(([name]) => name === 'reply.delta').length > 3, 'some words')
  const joined = await late.join(conversation)
  assert.is(joined.missed, undefined)
  assert.ok(joined.live && words(150).join('').startsWith(joined.live.text) && joined.live.text.length > 0)
  assert.equal(
    joined.messages.map(({ text }) => text),
    [question],
  )
  await late.hears('turn.finished')
  const so = read(readFrom(joined), late.heard)
  assert.equal(so.faults, [])
  assert.equal(
    so.finished.map(({ text }) => text),
    [words(150).join('')],
  )
})

test('a cursor that is hundreds of events old gets a fresh join instead of half a replay', async () => {
  const one = await client()
  const { conversation } = await one.join()
  const told = await one.send(conversation, 'hi')
  assert.ok(told.ok)
  await one.answerTo(told.id)
  const [{ seq }] = await server.db.sql<[{ seq: number }]>`select seq::int from conversations where id = ${conversation}`
  await lengthen(server.db, conversation, 600)
  const far = await one.join(conversation, { seq: 1 })
  assert.equal([far.missed, far.messages.length], [undefined, 2])
  const near = await one.join(conversation, { seq: seq + 200 })
  assert.is(near.missed?.length, 400)
})

test('a cursor of the future is refused', async () => {
  const one = await client()
  const { conversation } = await one.join()
  assert.is(refusedWith(await one.tell('conversation.join', { conversation, after: { seq: 1 } })), 'cursor.ahead')
  const told = await one.send(conversation, 'hi')
  assert.ok(told.ok)
  await one.answerTo(told.id)
  assert.is(refusedWith(await one.tell('conversation.join', { conversation, after: { seq: 999 } })), 'cursor.ahead')
})

test('what belongs to somebody else does not exist for a visitor', async () => {
  const [ann, bob] = [await client('ann'), await client('bob')]
  const { conversation } = await ann.join()
  const told = await ann.send(conversation, 'hi')
  assert.ok(told.ok)
  for (const [name, payload] of [
    ['conversation.join', {}],
    ['message.send', { id: crypto.randomUUID(), text: 'mine now' }],
    ['reply.stop', {}],
  ] as const)
    assert.is(refusedWith(await bob.tell(name, { conversation, ...payload })), 'conversation.unknown', name)
  await ann.answerTo(told.id)
  assert.equal(bob.heard, [])
  const owner = await client()
  assert.is((await owner.join(conversation)).messages.length, 2)
})

test('another tenant can neither read nor take over a conversation', async () => {
  const id = crypto.randomUUID()
  await server.db.sql`insert into tenants (id, name) values (${id}, 'acme')`
  const ours = await client()
  const theirs = await client('carla', 'owner', { tenant: 'acme' })
  const { conversation } = await ours.join()
  const told = await ours.send(conversation, 'hi')
  assert.ok(told.ok)
  await ours.answerTo(told.id)
  assert.is(refusedWith(await theirs.tell('conversation.join', { conversation })), 'conversation.unknown')
  assert.is(refusedWith(await theirs.send(conversation, 'hello from next door')), 'conversation.unknown')
  const own = await theirs.join()
  assert.ok((await theirs.send(own.conversation, 'hi')).ok)
})

test('whatever is wrong with a request is told with its code and sentence', async () => {
  const one = await client()
  const { conversation } = await one.join()
  const id = crypto.randomUUID()
  const wrong: [string, unknown, string][] = [
    ['conversation.burn', { conversation }, 'event.unknown'],
    ['constructor', {}, 'event.unknown'],
    ['message.send', undefined, 'request.malformed'],
    ['message.send', null, 'request.malformed'],
    ['message.send', 'text', 'request.malformed'],
    ['message.send', { conversation, text: 'no id' }, 'request.malformed'],
    ['message.send', { conversation, id, text: 7 }, 'request.malformed'],
    ['message.send', { conversation, id: 'a\nb', text: 'x' }, 'request.malformed'],
    ['message.send', { conversation: 'not a uuid', id, text: 'x' }, 'request.malformed'],
    ['message.send', { conversation, id, text: '' }, 'text.missing'],
    ['message.send', { conversation, id, text: ' \n\t ' }, 'text.missing'],
    ['message.send', { conversation, id, text: 'x'.repeat(2001) }, 'text.too_long'],
    ['message.send', { conversation, id, text: 'half a pair \ud83d' }, 'text.malformed'],
    ['message.send', { conversation, id, text: 'nul \0' }, 'text.malformed'],
    ['message.send', { conversation, id, text: 'x', parts: [{ type: 'exe' }] }, 'request.malformed'],
    ['conversation.join', { conversation, after: { seq: -1 } }, 'request.malformed'],
    ['conversation.join', { conversation, after: { seq: 1.5 } }, 'request.malformed'],
    ['reply.stop', { conversation: crypto.randomUUID() }, 'conversation.unknown'],
    ['reply.stop', {}, 'request.malformed'],
  ]
  for (const [name, payload, code] of wrong) {
    const told = (await one.tell(name, payload)) as Told<object>
    assert.is(refusedWith(told), code, `${name} ${JSON.stringify(payload)}`)
    assert.ok(!told.ok && told.message.length > 10)
  }
  assert.equal((await server.db.sql`select 1 from conversations where id = ${conversation}`).length, 0)
  assert.ok((await one.send(conversation, 'x'.repeat(2000), id)).ok)
  await one.answerTo(id)
})

test('events that nobody waits for are answered all the same when somebody does', async () => {
  const one = await client()
  const { conversation } = await one.join()
  assert.equal(await one.tell('typing.started', { conversation }), { ok: true })
  assert.equal(await one.tell('reply.seen', { conversation, cursor: { seq: 0 } }), { ok: true })
  assert.equal(await one.tell('conversation.leave', { conversation }), { ok: true })
})

test('a frame of 11 MB ends its own socket and nothing else', async () => {
  const [big, calm] = [await client(), await client()]
  const { conversation } = await calm.join()
  const gone = new Promise((resolve) => big.socket.once('disconnect', resolve))
  big.socket.emit('message.send', { conversation, id: 'x', text: 'x'.repeat(11_000_000) })
  await within(5_000, gone, 'the end of the big one')
  const told = await calm.send(conversation, 'hi')
  assert.ok(told.ok)
  await calm.answerTo(told.id)
})

test('binary and deeply nested junk is refused and harms nobody', async () => {
  const one = await client()
  const { conversation } = await one.join()
  assert.is(refusedWith(await one.tell('message.send', Buffer.from([0, 255, 254, 1]))), 'request.malformed')
  assert.is(refusedWith(await one.tell('message.send', { conversation, id: Buffer.from('x'), text: 'x' })), 'request.malformed')
  let deep: unknown = 1
  for (let depth = 0; depth < 2_000; depth++) deep = [deep]
  assert.is(refusedWith(await one.tell('conversation.join', { conversation: deep })), 'request.malformed')
  assert.is(refusedWith(await one.tell('message.send', JSON.parse('{"__proto__":{"ok":1},"conversation":"x"}'))), 'request.malformed')
})

test('stopping keeps what was said, is heard by every socket, and hangs up on the model at once', async () => {
  const latencies: number[] = []
  const said = words(400)
  // At least three, and more while a busy machine is slower than the bar.
  for (let time = 0; time < 3 || (time < 10 && Math.min(...latencies) > 100); time++) {
    const [one, other] = [await client(), await client()]
    const { conversation } = await one.join()
    await other.join(conversation)
    double.next({ text: said, pace: 10 })
    const arrival = double.arrival()
    await one.send(conversation, question)
    const request = await within(5_000, arrival, 'the call')
    await one.hears('reply.delta', ({ offset = 0 }) => offset > 10)
    const began = performance.now()
    assert.equal(await other.stop(conversation), { ok: true, stopped: true })
    latencies.push((await within(5_000, request.hangUp, 'the hang-up')) - began)
    const stopped = await one.hears('turn.stopped')
    assert.is(stopped.code, 'user.stopped')
    const so = read(reading(), one.heard)
    assert.equal(so.faults, [])
    const [part] = so.finished as [Message]
    assert.ok(part.text.length > 10 && said.join('').startsWith(part.text))
    assert.is((await one.join(conversation)).messages.at(-1)?.text, part.text)
    assert.equal(await one.stop(conversation), { ok: true, stopped: false })
  }
  console.log(`reply.stop until the model's socket is closed: ${latencies.map((ms) => `${ms.toFixed(0)} ms`).join(', ')}`)
  assert.ok(Math.min(...latencies) <= 100, `${latencies}`)
})

test('two sockets of one conversation hear the same', async () => {
  const [one, other] = [await client(), await client()]
  const { conversation } = await one.join()
  await other.join(conversation)
  double.next({ text: words(30), pace: 3 })
  const told = await one.send(conversation, question)
  assert.ok(told.ok)
  await Promise.all([one.answerTo(told.id), other.answerTo(told.id)])
  assert.equal(other.heard, one.heard)
})

test('typing reaches the others, never oneself, and nobody who is not there', async () => {
  const [one, other, stranger] = [await client('ann'), await client(), await client('bob')]
  const { conversation } = await one.join()
  const told = await one.send(conversation, 'hi')
  assert.ok(told.ok)
  await one.answerTo(told.id)
  await other.join(conversation)
  stranger.socket.emit('typing.started', { conversation })
  one.socket.emit('typing.started', { conversation })
  assert.is((await other.hears('typing.started')).who, 'user:ann')
  one.socket.emit('typing.stopped', { conversation })
  await other.hears('typing.stopped')
  assert.is(other.heard.filter(([name]) => name === 'typing.started').length, 1)
  assert.is(
    one.heard.some(([name]) => name.startsWith('typing')),
    false,
  )
})

test('whoever leaves hears nothing more', async () => {
  const [one, other] = [await client(), await client()]
  const { conversation } = await one.join()
  await other.join(conversation)
  assert.ok((await other.tell('conversation.leave', { conversation })).ok)
  const told = await one.send(conversation, 'hi')
  assert.ok(told.ok)
  await one.answerTo(told.id)
  await other.tell('conversation.leave', { conversation }) // a round trip: whatever was on its way is here
  assert.equal(other.heard, [])
})

test('a lost socket does not stop the reply', async () => {
  const one = await client()
  const { conversation } = await one.join()
  double.next({ text: words(40), pace: 5 })
  await one.send(conversation, question)
  await one.hears('reply.delta')
  one.socket.io.engine.close()
  const back = await client()
  const whole = await until(async () => (await back.join(conversation)).messages.find(({ role }) => role === 'assistant'), 'the reply')
  assert.is(whole.text, words(40).join(''))
})

test('a bot named at the join answers the conversation that begins there', async () => {
  const one = await client()
  const { conversation } = (await one.tell<{ conversation: string }>('conversation.join', { bot: 'sales' })) as { conversation: string }
  const told = await one.send(conversation, 'hi')
  assert.ok(told.ok)
  const [row] = await server.db.sql`select bot from conversations where id = ${conversation}`
  assert.is(row?.bot, 'sales')
  await one.answerTo(told.id)
})

test('long polling speaks the same protocol', async () => {
  const one = await testClient(server.url, { transports: ['polling'] })
  clients.push(one)
  const { conversation } = await one.join()
  const told = await one.send(conversation, 'hi')
  assert.ok(told.ok)
  await one.answerTo(told.id)
  assert.equal(read(reading(), one.heard).faults, [])
})

test('a page of a foreign origin gets no socket', async () => {
  for (const transports of [['websocket'], ['polling']] as ('websocket' | 'polling')[][]) {
    const refused = await testClient(server.url, { transports, extraHeaders: { origin: 'https://evil.example' } }).then(
      (one) => one.close(),
      () => 'refused',
    )
    assert.is(refused, 'refused')
  }
  const own = await testClient(server.url, { extraHeaders: { origin: server.url } })
  own.close()
})

/** What socket.io-client keeps to itself: the WebSocket below. */
interface Wire {
  transport: { ws: { terminate(): void } }
}

/** The door alone, with so many who have come in. */
async function withDoor(count: number, story: (door: ReturnType<typeof openSockets>, guests: TestClient[], url: string) => Promise<void>) {
  const http = createServer()
  const nothing = {} as never
  const door = openSockets({
    http,
    db: nothing,
    bus: memoryBus(),
    stage: nothing,
    desk: nothing,
    authenticate: Object.assign(async () => ({ who: 'guest' }) as never, { isOpen: true }),
    log: silent,
    origins: [],
    frameLimit: 1_000,
  })
  await once(http.listen(0, '127.0.0.1'), 'listening')
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`
  const guests = await Promise.all(Array.from({ length: count }, () => testClient(url)))
  try {
    await story(door, guests, url)
  } finally {
    await door.close()
  }
}

test('every socket is given a moment of its own to leave, and nobody is waited for once all have gone', () =>
  withDoor(20, async (door, guests) => {
    let isOver = false
    const gone = door.leave(60_000).then(() => {
      isOver = true
    })
    const moments = await Promise.all(guests.map(async (guest) => Number((await guest.hears('node.leaving'))['within'])))
    assert.ok(moments.every((moment) => moment >= 0 && moment <= 60_000))
    assert.ok(Math.max(...moments) - Math.min(...moments) > 10_000, `${moments}`)
    assert.not(isOver)
    for (const guest of guests) guest.close()
    await within(5_000, gone, 'the end of the wait')
    await within(1_000, door.leave(60_000), 'a wait for nobody')
  }))

test('sockets that end all at once are let go a few at a time, and the loop goes round in between', () =>
  withDoor(20, async (door, guests) => {
    let gone = 0
    let together = 0
    let most = 0
    for (const socket of door.io.sockets.sockets.values())
      socket.on('disconnecting', () => {
        // Longer than newcomers and leavers may take of one turn.
        for (const until = performance.now() + 15; performance.now() < until; );
        most = Math.max(most, ++together)
        gone++
        setImmediate(() => {
          together = 0
        })
      })
    for (const { socket } of guests) (socket.io.engine as unknown as Wire).transport.ws.terminate()
    await until(() => gone === 20, 'the end of all')
    assert.is(most, 1)
  }))

test('whoever comes while the node leaves is told so as well, and has what is left of the time', () =>
  withDoor(1, async (door, _, url) => {
    void door.leave(60_000)
    const late = await testClient(url)
    const moment = Number((await late.hears('node.leaving'))['within'])
    assert.ok(moment >= 0 && moment < 60_000)
    late.close()
  }))

test('whoever does not leave is waited for as long as was said', () =>
  withDoor(2, async (door, guests) => {
    const began = performance.now()
    const gone = door.leave(300)
    guests[0]?.close()
    await within(5_000, gone, 'the end of the wait')
    const took = performance.now() - began
    assert.ok(took > 295, `${took}`)
    assert.ok(guests[1]?.socket.connected)
  }))

test.run()
