/** What nobody may hear, hold or occupy, found by reading the door with an attacker's eyes. */
import { io } from 'socket.io-client'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { threadId } from '../../../runtime/gateway/desk.ts'
import { demo } from '../../../sql/tenants.ts'
import { type TestClient, testClient } from '../../support/client.ts'
import { jwtSecret, testServer, token, until } from '../../support/server.ts'

const server = await testServer({ JWT_SECRET: jwtSecret })
const clients: TestClient[] = []
const client = async (who: string, role = 'visitor') => {
  const made = await testClient(server.url, { token: await token({ sub: who, role }) })
  clients.push(made)
  return made
}
const inbound = (body: object, headers: Record<string, string> = {}) =>
  fetch(`${server.url}/messages/inbound`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({
      id: 'm1',
      conversation_id: '4711',
      channel: 'telegram',
      from: { type: 'user', external_id: 'alice' },
      content: { type: 'text', text: 'a canary' },
      ...body,
    }),
  })

test.after.each(() => {
  for (const one of clients.splice(0)) one.close()
})
test.after(() => server.stop())

test('whoever waits in a thread before it begins hears nothing when it turns out to be somebody else’s', async () => {
  const mallory = await client('mallory')
  await mallory.join(threadId(demo.id, 'telegram', '4711'))
  assert.is((await inbound({})).status, 200)
  assert.equal(
    mallory.heard.filter(([, payload]) => JSON.stringify(payload).includes('canary')),
    [],
  )
  assert.is(mallory.heard.length, 0)
})

test('whoever goes away in the middle of a join holds the conversation against nobody', async () => {
  const conversation = crypto.randomUUID()
  const mallory = await client('mallory')
  mallory.socket.emit('conversation.join', { conversation })
  mallory.socket.disconnect()
  const ann = await client('ann')
  assert.is((await ann.join(conversation)).conversation, conversation)
})

test('a visitor cannot speak in another person’s name', async () => {
  const answer = await inbound({ conversation_id: '4712' }, { authorization: `Bearer ${await token({ sub: 'mallory', role: 'visitor' })}` })
  assert.equal([answer.status, ((await answer.json()) as { code: string }).code], [403, 'role.refused'])
})

test('a message cannot take the id of a reply', async () => {
  const one = await client('ann')
  const { conversation } = await one.join()
  const told = await one.send(conversation, 'hello', `${conversation}.t1.1`)
  assert.is(told.ok ? 'ok' : told.code, 'request.malformed')
})

test('one socket listens to a hundred conversations and no more, however fast it asks, and may come back to each', async () => {
  const one = await client('ann')
  const joins = await Promise.allSettled(Array.from({ length: 130 }, () => one.join()))
  const joined = joins.flatMap((join) => (join.status === 'fulfilled' ? [join.value.conversation] : []))
  assert.is(joined.length, 100)
  assert.ok(joins.every((join) => join.status === 'fulfilled' || (join.reason as { code: string }).code === 'mailbox.full'))
  assert.is((await one.join(joined[7])).conversation, joined[7])
})

test('nobody slips into a conversation while it is being born', async () => {
  const [ann, mallory] = [await client('ann'), await client('mallory')]
  const begun: string[] = []
  for (let round = 0; round < 30; round++) {
    const conversation = crypto.randomUUID()
    const asks = ann.send(conversation, 'my secret')
    for (let turns = 0; turns < round; turns++) await new Promise((resolve) => setImmediate(resolve))
    const [told, joined] = await Promise.all([asks, mallory.tell<{ messages: unknown[] }>('conversation.join', { conversation })])
    assert.ok(told.ok)
    // Before anybody else has begun it, it may be joined; it is taken away with its first word.
    if (joined.ok) assert.equal(joined.messages, [])
    else assert.is(joined.code, 'conversation.unknown')
    begun.push(conversation)
  }
  assert.equal(
    mallory.heard.filter(([, payload]) => begun.includes(payload.conversation)),
    [],
  )
})

test('a stream whose reader left before it began leaves nothing behind', async () => {
  const before = process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
  await Promise.all(
    Array.from({ length: 10 }, async (_, at) => {
      const leaving = new AbortController()
      const asked = fetch(`${server.url}/v1/chat/stream`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ message: 'hello' }),
        signal: leaving.signal,
      }).catch(() => undefined)
      for (let turns = 0; turns < at; turns++) await new Promise((resolve) => setImmediate(resolve))
      leaving.abort()
      await asked
    }),
  )
  await until(() => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length <= before + 3, 'the heartbeats to end')
})

test('a socket ends with its token, and the client comes back with a fresh one or not at all', async () => {
  // Whole seconds: of the first there may be nothing left.
  const one = await testClient(server.url, { token: await token({ sub: 'ann' }, { exp: Math.floor(Date.now() / 1000) + 3 }) })
  clients.push(one)
  assert.ok(one.socket.connected)
  await until(() => !one.socket.connected, 'the end of the socket', 6_000)
})

test('whoever watches the cluster ends with the token, too', async () => {
  const exp = Math.floor(Date.now() / 1000) + 3
  const socket = io(`${server.url}/operators`, {
    auth: { token: await token({ sub: 'ann', role: 'admin' }, { exp }) },
    reconnection: false,
  })
  try {
    assert.is((await socket.timeout(5_000).emitWithAck('cluster.watch')).ok, true)
    await until(() => !socket.connected, 'the end of the socket', 6_000)
  } finally {
    socket.close()
  }
})

test('a visitor sees the work orders of their own conversations, and not what the tenant spends', async () => {
  const asked = async (path: string, who: string, role: string) => {
    const answer = await fetch(`${server.url}${path}`, { headers: { authorization: `Bearer ${await token({ sub: who, role })}` } })
    return { status: answer.status, body: (await answer.json()) as { code?: string; work_orders: { conversation: string }[] } }
  }
  const conversations: string[] = []
  for (const who of ['ann', 'bob']) {
    const one = await client(who)
    const { conversation } = await one.join()
    const told = await one.send(conversation, 'Please tell me how the tides come about.')
    assert.ok(told.ok)
    await one.answerTo(told.id)
    conversations.push(conversation)
  }
  const of = async (who: string, role = 'visitor') =>
    (await asked('/api/work-orders?limit=100', who, role)).body.work_orders.map(({ conversation }) => conversation)
  const [anns, all] = [await of('ann'), await of('eve', 'admin')]
  assert.ok(anns.includes(conversations[0] as string) && !anns.includes(conversations[1] as string))
  assert.equal(await of('eve'), [])
  for (const one of conversations) assert.ok(all.includes(one))
  for (const path of ['/api/metrics', '/api/health/detailed']) {
    const { status, body } = await asked(path, 'ann', 'member')
    assert.equal([status, body.code], [403, 'role.refused'])
  }
})

test.run()
