/** The client library without a page, against the double. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Client, connect, memoryStore, type Needs } from '../../../channels/web/client.ts'
import { Double } from './double.ts'
import { within } from './within.ts'

interface Story {
  double: Double
  url: string
  enter: (needs?: Needs) => Client
}

function plays(name: string, story: (s: Story) => Promise<void>): void {
  test(name, async () => {
    const double = new Double('')
    const url = await double.listen()
    const clients: Client[] = []
    const enter = (needs: Needs = {}) => {
      const client = connect({ url, multiplex: false, patience: 500, grace: 50, ...needs })
      clients.push(client)
      return client
    }
    try {
      await within(10_000, story({ double, url, enter }), name)
    } finally {
      for (const client of clients) client.close()
      await double.close()
    }
  })
}

/** Waits for a thing to be true of what the client shows. */
function until(client: Client, holds: () => boolean, what: string): Promise<void> {
  let stop = () => {}
  const seen = new Promise<void>((resolve) => {
    stop = client.listen(() => holds() && resolve())
    if (holds()) resolve()
  })
  return within(8_000, seen, what).finally(() => stop())
}
/** A client that has asked something and heard the first words of the reply. */
async function speaking({ double, enter }: Pick<Story, 'double' | 'enter'>, words: string) {
  const client = enter()
  const conversation = client.open()
  client.send('Go')
  const turn = await double.turn()
  turn.delta(words)
  await until(client, () => client.transcript?.reply?.text === words, 'the first words')
  return { client, conversation, turn }
}

const answered = (client: Client) =>
  until(client, () => client.transcript?.messages.some(({ role }) => role === 'assistant') ?? false, 'the answer')

plays('a question is answered, and the text is what was streamed', async ({ double, enter }) => {
  const client = enter()
  client.open()
  const id = client.send('Why?')
  const turn = await double.turn()
  for (const word of ['Be', 'cau', 'se.']) turn.delta(word)
  turn.finish()
  await answered(client)
  assert.equal(
    client.transcript?.messages.map(({ text }) => text),
    ['Why?', 'Because.'],
  )
  assert.is(client.transcript?.messages[0]?.id, id)
  assert.is(client.transcript?.faults, 0)
})

plays('events right behind the join come after its answer', async ({ double, enter }) => {
  const first = enter()
  const conversation = first.open()
  first.send('Go')
  const turn = await double.turn()
  turn.delta('0')
  const joined = double.joined.bind(double)
  double.joined = (name, after) => {
    const answer = joined(name, after)
    queueMicrotask(() => turn.delta('!')) // in the same breath as the acknowledgement
    return answer
  }
  const late = enter()
  late.open(conversation)
  await until(late, () => late.transcript?.reply?.text === '0!', 'the live text')
  assert.is(double.asked.filter(([name]) => name === 'conversation.join').length, 2, 'nobody had to join again')
})

plays('after a broken line the client joins with its cursor and misses nothing', async ({ double, enter }) => {
  const { client, conversation, turn } = await speaking({ double, enter }, 'Half')
  await double.cut()
  await until(client, () => client.line.late, 'the banner')
  turn.delta(' and half')
  await double.restore()
  await until(client, () => client.transcript?.reply?.text === 'Half and half', 'the second half')
  const join = double.asked.findLast(([name]) => name === 'conversation.join')
  assert.equal(join?.[1], { conversation, after: { seq: 2, turn: turn.id, attempt: 1, offset: 4 } })
  assert.not.ok(client.line.late)
})

plays('a message whose acknowledgement was lost goes out again under the same id and is kept once', async ({ double, enter }) => {
  const client = enter({ patience: 60 })
  const conversation = client.open()
  await until(client, () => client.line.state === 'live', 'the line')
  double.silent = 2
  const emit = double.emit.bind(double)
  double.emit = () => {} // neither the acknowledgement nor the event gets through
  const id = client.send('Once')
  await within(5_000, double.asks('message.send', 3), 'the third try')
  double.emit = emit
  await until(client, () => client.transcript?.outgoing.length === 0, 'the settlement')
  const sent = double.asked.filter(([name]) => name === 'message.send').map(([, ask]) => (ask as { id: string }).id)
  assert.equal(sent, [id, id, id])
  assert.is(double.talk(conversation).messages.length, 1)
  assert.equal(
    client.transcript?.messages.map((message) => message.id),
    [id],
  )
})

plays('what was written offline survives the client and is delivered by the next one', async ({ double, enter }) => {
  const store = memoryStore()
  await double.cut()
  const first = enter({ store })
  const conversation = first.open()
  const ids = [first.send('One'), first.send('Two')]
  first.close()
  await double.restore()
  const second = enter({ store })
  second.open(conversation)
  assert.equal(
    second.transcript?.outgoing.map(({ id }) => id),
    ids,
  )
  await until(second, () => second.transcript?.messages.length === 2, 'the delivery')
  assert.equal(
    double.talk(conversation).messages.map(({ id }) => id),
    ids,
  )
  assert.is(store.getItem(`nexus.outbox.${conversation}`), null)
})

plays('a refusal is shown with its reason and holds up nothing behind it', async ({ double, enter }) => {
  const client = enter()
  client.open()
  double.refuses = { code: 'text.too_long', message: 'The text is longer than the limit.' }
  const id = client.send('Long')
  await until(client, () => client.transcript?.outgoing[0]?.failed !== undefined, 'the refusal')
  assert.is(client.transcript?.outgoing[0]?.failed, 'The text is longer than the limit.')
  double.refuses = undefined
  client.send('Short')
  await until(client, () => client.transcript?.messages.length === 1, 'the next message')
  client.resend(id)
  await until(client, () => client.transcript?.messages.length === 2, 'the resent message')
})

plays('a lagging client is told, joins again with its cursor and has all of it', async ({ double, enter }) => {
  const { client, conversation, turn } = await speaking({ double, enter }, 'One')
  double.emit(conversation, 'conversation.lagged', { conversation, reason: 'slow' })
  await within(5_000, double.asks('conversation.join', 2), 'the join')
  turn.delta(' two')
  await until(client, () => client.transcript?.reply?.text === 'One two', 'the rest')
  assert.is(double.asked.filter(([name]) => name === 'conversation.join').length, 2)
})

plays('a reader that lagged takes nothing before it is back, also when the answer to its join was lost', async ({ double, enter }) => {
  const { client, conversation, turn } = await speaking({ double, enter }, 'One')
  double.silentJoins = 1
  double.io.socketsLeave(conversation)
  for (const [, socket] of double.io.sockets.sockets) socket.emit('conversation.lagged', { conversation, reason: 'slow' })
  turn.delta(' two')
  await double.asks('conversation.join', 2)
  turn.finish()
  await answered(client)
  assert.is(client.transcript?.messages.at(-1)?.text, 'One two')
  assert.is(client.transcript?.faults, 0)
})

plays('a gap in the numbers is closed by joining again', async ({ double, enter }) => {
  const client = enter()
  const conversation = client.open()
  client.send('Go')
  const turn = await double.turn()
  await until(client, () => client.transcript?.seq === 2, 'the turn')
  const emit = double.emit.bind(double)
  double.emit = () => {} // the next event is lost
  double.tell(conversation, 'conversation.state', { value: 'x', attention: 'human' })
  double.emit = emit
  turn.finish({ text: 'Done.' })
  await until(client, () => client.transcript?.messages.length === 2 && !client.transcript.behind, 'the repair')
  assert.is(client.transcript?.seq, double.talk(conversation).told.length)
})

plays('a node that leaves is left in time, and the talk goes on', async ({ double, enter }) => {
  const client = enter()
  const conversation = client.open()
  await until(client, () => client.line.state === 'live', 'the line')
  client.send('Go')
  const turn = await double.turn()
  await until(client, () => client.transcript?.seq === 2, 'the turn')
  const back = new Promise<void>((resolve) => double.io.once('connection', () => resolve()))
  double.emit(conversation, 'node.leaving', { within: 30 })
  await within(5_000, back, 'the new connection')
  turn.delta('Still here')
  await until(client, () => client.transcript?.reply?.text === 'Still here', 'the text')
})

const comesBack = (double: Double) => new Promise<void>((resolve) => double.io.once('connection', () => resolve()))

plays('the moment to leave is the one that the node gives', async ({ double, enter }) => {
  const client = enter()
  client.open()
  await until(client, () => client.line.state === 'live', 'the line')
  const back = comesBack(double)
  const told = performance.now()
  double.io.emit('node.leaving', { within: 300 })
  await within(5_000, back, 'the new connection')
  const took = performance.now() - told
  assert.ok(took > 295, `it left after ${took} ms`)
})

plays('a node that says twice that it leaves is left once', async ({ double, enter }) => {
  const client = enter()
  client.open()
  await until(client, () => client.line.state === 'live', 'the line')
  const first = comesBack(double)
  double.io.emit('node.leaving', { within: 0 })
  double.io.emit('node.leaving', { within: 100 })
  await within(5_000, first, 'the new connection')
  const second = comesBack(double)
  const told = performance.now()
  // Long after the second moment of the node before.
  double.io.emit('node.leaving', { within: 300 })
  await within(5_000, second, 'the connection after that')
  const took = performance.now() - told
  assert.ok(took > 295, `it left after ${took} ms`)
})

plays('what was seen is reported, and at most four times a second', async ({ double, enter }) => {
  const client = enter()
  client.open()
  client.send('Go')
  const turn = await double.turn()
  const seen = new Promise<unknown>((resolve) => double.io.sockets.sockets.forEach((socket) => socket.on('reply.seen', resolve)))
  for (let i = 0; i < 50; i++) turn.delta('x')
  const report = (await within(3_000, seen, 'the report')) as { cursor: { offset: number } }
  assert.is(report.cursor.offset, 50)
  assert.is(double.asked.filter(([name]) => name === 'reply.seen').length, 1)
})

plays('each connection asks for a fresh credential', async ({ double, enter }) => {
  let asked = 0
  const client = enter({ token: async () => `token ${++asked}` })
  const tokens: unknown[] = []
  double.io.on('connection', (socket) => tokens.push(socket.handshake.auth['token']))
  client.open()
  await until(client, () => client.line.state === 'live', 'the line')
  await double.cut()
  await until(client, () => client.line.state === 'reconnecting', 'the break')
  await double.restore()
  await until(client, () => client.line.state === 'live', 'the line again')
  assert.is(tokens[0], 'token 1')
  assert.is.not(tokens.at(-1), 'token 1')
})

plays('a refused credential is said with its reason', async ({ double, enter }) => {
  double.io.use((_socket, next) => next(new Error('The credential is not valid.')))
  const client = enter()
  await until(client, () => client.line.state === 'refused', 'the refusal')
  assert.is(client.line.reason, 'The credential is not valid.')
})

plays('stop reaches the server, and what was said stays', async ({ double, enter }) => {
  const client = enter()
  client.open()
  client.send('Go')
  const turn = await double.turn()
  turn.delta('Some')
  await until(client, () => client.transcript?.reply !== undefined, 'the reply')
  client.stop()
  await until(client, () => client.transcript?.current === undefined, 'the stop')
  assert.is(client.transcript?.messages.at(-1)?.text, 'Some')
})

plays('a conversation that was left before its join was answered is left at the server too', async ({ double, enter }) => {
  const client = enter()
  const joined = double.joined.bind(double)
  let second = ''
  double.joined = (name, after) => {
    if (name === first) second = client.open()
    return joined(name, after)
  }
  const first = client.open()
  await double.asks('conversation.leave', 1)
  await double.asks('conversation.join', 2)
  assert.equal(
    double.asked.map(([name, ask]) => [name, (ask as { conversation: string }).conversation]),
    [
      ['conversation.join', first],
      ['conversation.leave', first],
      ['conversation.join', second],
    ],
  )
})

plays('another conversation is joined afresh, and the former one is left', async ({ double, enter }) => {
  const client = enter()
  const first = client.open()
  client.send('Here')
  await until(client, () => client.transcript?.seq === 2, 'the first')
  const second = client.open()
  await until(client, () => client.transcript?.conversation === second, 'the second')
  client.send('There')
  await until(client, () => client.transcript?.messages.length === 1 && client.transcript.outgoing.length === 0, 'the message')
  assert.equal(
    double.talk(first).messages.map(({ text }) => text),
    ['Here'],
  )
  assert.equal(
    double.talk(second).messages.map(({ text }) => text),
    ['There'],
  )
})

for (const [what, missed, heard] of [
  ['more words', 'cause', '.'],
  ['the end', 'cause.', ''],
] as const)
  plays(`${what} before the answer to a join are not taken for the rest, nor held against it`, async ({ double, enter }) => {
    const client = enter()
    client.open()
    client.send('Why?')
    const turn = await double.turn()
    turn.delta('Be')
    await until(client, () => client.transcript?.reply?.text === 'Be', 'the first word')
    double.silentJoins = 1
    for (const [, socket] of double.io.sockets.sockets) socket.conn.close()
    turn.delta(missed)
    await double.asks('conversation.join', 2)
    if (heard) turn.delta(heard)
    turn.finish()
    await answered(client)
    assert.is(client.transcript?.messages.at(-1)?.text, 'Because.')
    assert.is(client.transcript?.faults, 0)
  })

test.run()
