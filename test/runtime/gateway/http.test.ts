/** Every HTTP address as the seed documents call it, and every way of calling it wrong. covers: GW-1 … GW-8, GW-10, GW-11, GW-14, GW-16 … GW-18, GW-28 … GW-32 */
import { connect } from 'node:net'
import { io } from 'socket.io-client'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { refusals } from '../../../machines/refusal.ts'
import { testClient } from '../../support/client.ts'
import { providerDouble } from '../../support/provider.ts'
import { type Answered, jwtSecret, modelsAt, testServer, token } from '../../support/server.ts'
import { within } from '../../support/within.ts'

const double = await providerDouble()
const server = await testServer({ ...modelsAt(double, 'openai'), JWT_SECRET: jwtSecret, CORS_ORIGINS: 'https://shop.example' })
const { ask } = server

test.after(async () => {
  await server.stop()
  await double.close()
})

/** One shape for all: what 000, 002 and 003 look for is there. */
function refused({ status, headers, json }: Answered, code: keyof typeof refusals) {
  const body = json<Record<string, string>>()
  assert.equal(
    [status, body.code, body.error, body.message, body.detail],
    [refusals[code][0], code, code, refusals[code][1], refusals[code][1]],
    code,
  )
  assert.is(body.request_id, headers.get('x-request-id'))
  assert.is(body.error_id, body.request_id)
  assert.ok(!Number.isNaN(Date.parse(body.timestamp as string)))
}

const inbound = (more: Record<string, unknown> = {}) => ({
  id: 'msg-123',
  conversation_id: 'conv-123',
  channel: 'web',
  direction: 'inbound',
  from: { type: 'user', external_id: 'user-123' },
  to: { type: 'bot', external_id: 'bot-1' },
  content: { type: 'text', text: 'Hello, I need help with my order' },
  metadata: {},
  timestamp: '2024-01-01T00:00:00Z',
  ...more,
})

test('liveness answers at four addresses without a credential', async () => {
  for (const path of ['/health', '/v1/health', '/health/live']) {
    const { status, json } = await ask('GET', path)
    const { status: word, version, timestamp } = json<Record<string, string>>()
    assert.equal([status, word, version], [200, 'ok', '0.1.0'])
    assert.ok(Date.parse(timestamp as string))
  }
})

test('readiness names every part with its state', async () => {
  for (const path of ['/ready', '/health/ready']) {
    const { status, json } = await ask('GET', path)
    const { components } = json<{ components: Record<string, { status: string; latency_ms: number }> }>()
    assert.is(status, 200)
    assert.equal(Object.keys(components), ['store', 'models'])
    for (const { status, latency_ms } of Object.values(components)) assert.equal([status, typeof latency_ms], ['healthy', 'number'])
  }
})

test('/v1/chat with a message answers in the short form', async () => {
  double.next({ text: 'Hello! I am well.', usage: { in: 12, out: 5 } })
  const { status, json } = await ask('POST', '/v1/chat', { message: 'Hello Nexxi!' })
  const { session_id, message, model, tokens_used, response_time_ms, timestamp } = json()
  assert.is(status, 200)
  assert.is(message, 'Hello! I am well.')
  assert.match(String(session_id), /^[0-9a-f-]{36}$/)
  assert.equal([model, tokens_used], [double.requests.at(-1)?.model, 17])
  assert.ok((response_time_ms as number) > 0 && Date.parse(timestamp as string))
})

test('/v1/chat with bot and messages answers in the long form, and the session goes on', async () => {
  double.next({ text: 'You wrote about tides.', usage: { in: 20, out: 6 } })
  const first = (
    await ask('POST', '/v1/chat', {
      bot_id: 'b1',
      messages: [{ role: 'user', content: 'Tell me how tides come about.' }],
      metadata: { page: '/a' },
    })
  ).json<Record<string, unknown> & { metadata: { page: string } }>()
  assert.equal([first.message, first.citations, first.usage], ['You wrote about tides.', [], { prompt: 20, completion: 6, total: 26 }])
  assert.is(first.metadata.page, '/a')
  double.next({ text: 'Yes.' })
  const second = (
    await ask('POST', '/v1/chat', { session_id: first.session_id, messages: [{ role: 'user', content: 'Is the moon part of it?' }] })
  ).json()
  assert.is(second.session_id, first.session_id)
  assert.match(JSON.stringify(double.requests.at(-1)?.body), /You wrote about tides/)
})

test('clearing a session makes the model forget, and an unknown one is refused', async () => {
  const { session_id } = (await ask('POST', '/v1/chat', { message: 'My secret word is xyzzy, please keep it in mind.' })).json()
  assert.equal((await ask('DELETE', '/v1/chat/session', { session_id })).json(), { session_id, cleared: true })
  await ask('POST', '/v1/chat', { message: 'Which word did I tell you a moment ago?', session_id })
  assert.not.match(JSON.stringify(double.requests.at(-1)?.body), /xyzzy/)
  refused(await ask('DELETE', '/v1/chat/session', { session_id: crypto.randomUUID() }), 'conversation.unknown')
  refused(await ask('DELETE', '/v1/chat/session', {}), 'request.malformed')
})

test('/api/chat answers and names the work order, which is listed and counted', async () => {
  double.next({ text: 'NEXUS at your service.', usage: { in: 100, out: 50 } })
  const answer = (await ask('POST', '/api/chat', { content: 'Hello NEXUS' })).json()
  assert.is(answer.content, 'NEXUS at your service.')
  assert.ok(answer.work_order_id)
  const { work_orders } = (await ask('GET', '/api/work-orders')).json<{ work_orders: Record<string, unknown>[] }>()
  const found = work_orders.find((order) => Object.values(order).includes(answer.work_order_id))
  assert.is(found?.status, 'completed')
  const { work_orders: failed } = (await ask('GET', '/api/work-orders?status=failed&limit=5')).json<{ work_orders: unknown[] }>()
  assert.equal(failed, [])
  const metrics = (await ask('GET', '/api/metrics?period=today')).json<Record<string, number>>()
  assert.ok((metrics.total_tokens ?? 0) >= 150)
  for (const period of ['week', 'month', 'all']) assert.is((await ask('GET', `/api/metrics?period=${period}`)).status, 200)
  refused(await ask('GET', '/api/metrics?period=never'), 'request.malformed')
  refused(await ask('GET', '/api/work-orders?limit=0'), 'request.malformed')
  const detailed = (await ask('GET', '/api/health/detailed')).json<{
    overall: string
    components: { name: string }[]
    metrics: { tokens_today: number }
  }>()
  assert.equal([detailed.overall, detailed.components.map(({ name }) => name)], ['healthy', ['store', 'models']])
  assert.ok(detailed.metrics.tokens_today >= 150)
  refused(await ask('POST', '/api/chat', { content: '' }), 'text.missing')
  refused(await ask('POST', '/api/chat', { content: 'x'.repeat(10_001) }), 'text.too_long')
})

test('the canonical message is answered in its own form', async () => {
  double.next({ text: 'What is your order number?' })
  const { status, json } = await ask('POST', '/messages/inbound', inbound())
  const { id, metadata, timestamp, ...outbound } = json<{ id: string; timestamp: string; metadata: { in_reply_to: string } }>()
  assert.is(status, 200)
  assert.equal(outbound as unknown, {
    tenant_id: '00000000-0000-4000-8000-00000000d3e0',
    conversation_id: 'conv-123',
    channel: 'web',
    direction: 'outbound',
    from: { type: 'bot', external_id: 'bot-1' },
    to: { type: 'user', external_id: 'user-123' },
    content: { type: 'text', text: 'What is your order number?' },
  })
  assert.ok(id && Date.parse(timestamp))
  assert.is(metadata.in_reply_to, 'msg-123')
})

test('the same inbound id answers the first result and runs nothing again, also ten times at once', async () => {
  const message = inbound({
    id: 'Ünïcode / id: 7',
    conversation_id: 'thread #9',
    content: { type: 'text', text: 'Please tell me how tides come about.' },
  })
  const before = double.requests.length
  double.next({ text: 'Once and only once.', delay: 30 })
  const answers = await Promise.all(Array.from({ length: 10 }, () => ask('POST', '/messages/inbound', message)))
  const [first, ...rest] = answers.map(({ text }) => text)
  for (const text of rest) assert.is(text, first)
  assert.is((await ask('POST', '/messages/inbound', message)).text, first)
  assert.is(double.requests.length - before, 1)
  refused(await ask('POST', '/messages/inbound', { ...message, content: { type: 'text', text: 'something else' } }), 'message.conflict')
})

test('the tenant of an inbound message is that of the credential', async () => {
  refused(await ask('POST', '/messages/inbound', inbound({ tenant_id: 'somebody-else' })), 'tenant.refused')
  assert.is((await ask('POST', '/messages/inbound', inbound({ tenant_id: 'demo' }))).status, 200)
})

test('a key of an ordinary member goes on with the threads that it began', async () => {
  const authorization = `Bearer ${await token({ sub: 'integration', role: 'member' })}`
  for (const id of ['m-1', 'm-2'])
    assert.is((await ask('POST', '/messages/inbound', inbound({ id, conversation_id: 'of a member' }), { authorization })).status, 200, id)
})

test('a member sees neither the threads nor the sessions of others', async () => {
  const [ann, bob] = [
    { authorization: `Bearer ${await token({ sub: 'ann', role: 'member' })}` },
    { authorization: `Bearer ${await token({ sub: 'bob', role: 'member' })}` },
  ]
  const { session_id } = (await ask('POST', '/v1/chat', { message: 'hi' }, ann)).json()
  refused(await ask('POST', '/v1/chat', { message: 'hi', session_id }, bob), 'conversation.unknown')
  refused(await ask('DELETE', '/v1/chat/session', { session_id }, bob), 'conversation.unknown')
  assert.is((await ask('POST', '/messages/inbound', inbound({ id: 'a', conversation_id: 'of ann' }), ann)).status, 200)
  refused(await ask('POST', '/messages/inbound', inbound({ id: 'b', conversation_id: 'of ann' }), bob), 'conversation.unknown')
})

test('a body that cannot be read is refused by its fault', async () => {
  const post = (body: string | Uint8Array, headers = {}) => ask('POST', '/v1/chat', body, headers)
  refused(await post('{"message": "hi"'), 'request.malformed')
  refused(await post(''), 'request.malformed')
  refused(await post('[1]'), 'request.malformed')
  refused(await post('null'), 'request.malformed')
  refused(await post(Buffer.from([...Buffer.from('{"message":"'), 0xff, 0xfe, ...Buffer.from('"}')])), 'text.malformed')
  refused(await post('{"message":"half \\ud83d"}'), 'text.malformed')
  refused(await post('{"message":"nul \\u0000"}'), 'text.malformed')
  refused(await post('{"__proto__":{"admin":true},"message":"hi"}'), 'request.malformed')
  refused(await post('message=hi', { 'content-type': 'application/x-www-form-urlencoded' }), 'media.unsupported')
  refused(await post('<message/>', { 'content-type': 'text/xml' }), 'media.unsupported')
  refused(await post(JSON.stringify({ message: 'x'.repeat(11_000_000) })), 'body.too_large')
})

test('a field of the wrong type is refused and named', async () => {
  for (const body of [
    { message: 7 },
    { message: ['hi'] },
    { message: 'hi', session_id: 'no uuid' },
    { message: 'hi', stream: 'yes' },
    {},
    { messages: [] },
    { messages: [{ role: 'pope', content: 'x' }] },
    { messages: [{ role: 'user', content: 5 }] },
  ]) {
    const answer = await ask('POST', '/v1/chat', body)
    refused(answer, 'request.malformed')
    assert.ok(answer.json<{ details: unknown[] }>().details.length > 0)
  }
  refused(await ask('POST', '/v1/chat', { message: '  ' }), 'text.missing')
  refused(await ask('POST', '/v1/chat', { messages: [{ role: 'assistant', content: 'I said' }] }), 'text.missing')
  refused(await ask('POST', '/v1/chat', { message: 'x'.repeat(10_001) }), 'text.too_long')
  for (const wrong of [
    { id: '' },
    { id: 'a\nb' },
    { id: 7 },
    { channel: '' },
    { content: { type: 'image' } },
    { from: undefined },
    { direction: 'outbound' },
  ])
    refused(await ask('POST', '/messages/inbound', inbound(wrong)), 'request.malformed')
})

test('what is nowhere is refused in the same shape', async () => {
  refused(await ask('GET', '/v1/nothing'), 'route.unknown')
  refused(await ask('PUT', '/v1/chat', { message: 'hi' }), 'route.unknown')
  refused(await ask('GET', '/assets/none.js'), 'route.unknown')
  refused(await ask('GET', '/..%2f..%2fpackage.json'), 'route.unknown')
})

test('a request id is echoed or made up, and the time is told', async () => {
  const { headers } = await ask('GET', '/health', undefined, { 'x-request-id': 'req-42' })
  assert.is(headers.get('x-request-id'), 'req-42')
  assert.ok(Number(headers.get('x-response-time-ms')) >= 0)
  assert.match((await ask('GET', '/health')).headers.get('x-request-id') as string, /^[0-9a-f-]{36}$/)
  const long = (await ask('GET', '/nothing', undefined, { 'x-request-id': 'x'.repeat(5_000) })).headers.get('x-request-id') as string
  assert.ok(long.length <= 200, 'nobody fills our log with a header')
})

test('other origins are let in by setting and no others', async () => {
  const preflight = { 'access-control-request-method': 'POST', 'access-control-request-headers': 'content-type' }
  const allowed = await ask('OPTIONS', '/v1/chat', undefined, { origin: 'https://shop.example', ...preflight })
  assert.equal([allowed.status, allowed.headers.get('access-control-allow-origin')], [204, 'https://shop.example'])
  assert.match(allowed.headers.get('access-control-allow-headers') as string, /content-type/)
  const real = await ask('POST', '/v1/chat', { message: 'hi' }, { origin: 'https://shop.example' })
  assert.equal([real.status, real.headers.get('access-control-allow-origin')], [200, 'https://shop.example'])
  assert.match(real.headers.get('access-control-expose-headers') as string, /x-request-id/i)
  for (const method of ['OPTIONS', 'GET'])
    assert.is(
      (await ask(method, '/health', undefined, { origin: 'https://evil.example', ...preflight })).headers.get(
        'access-control-allow-origin',
      ),
      null,
    )
  const refusal = await ask('POST', '/v1/chat', {}, { origin: 'https://shop.example' })
  assert.is(refusal.headers.get('access-control-allow-origin'), 'https://shop.example')
})

test('the page is served with a strict policy', async () => {
  const page = await ask('GET', '/')
  assert.is(page.status, 200)
  assert.match(page.headers.get('content-type') as string, 'text/html')
  assert.match(page.text, /<html/)
  const policy = page.headers.get('content-security-policy') as string
  assert.match(policy, "default-src 'self'")
  assert.match(policy, "frame-ancestors 'none'")
  assert.not.match(policy, 'unsafe')
  assert.is(page.headers.get('x-content-type-options'), 'nosniff')
  assert.is(page.headers.get('x-frame-options'), 'DENY')
  for (const [, path] of page.text.matchAll(/(?:src|href)="(\/[^"]+)"/g)) assert.is((await ask('GET', path as string)).status, 200, path)
})

test('the documentation is there in development, with all it needs', async () => {
  const docs = await ask('GET', '/docs/')
  assert.is(docs.status, 200)
  for (const [, path] of docs.text.matchAll(/(?:src|href)="(\.?[^":]+\.(?:js|css))"/g))
    assert.is((await ask('GET', new URL(path as string, 'http://x/docs/').pathname)).status, 200, path)
})

test('the description of the interface names every address', async () => {
  const { openapi, paths } = (await ask('GET', '/openapi.json')).json<{
    openapi: string
    paths: Record<string, Record<string, { responses?: object }>>
  }>()
  assert.match(openapi, /^3\.1/)
  const all = [
    '/health',
    '/v1/health',
    '/ready',
    '/v1/chat',
    '/v1/chat/stream',
    '/v1/chat/session',
    '/api/chat',
    '/messages/inbound',
    '/api/work-orders',
    '/api/metrics',
    '/api/health/detailed',
    '/v1/models',
  ]
  for (const path of all) assert.ok(paths[path], path)
  for (const methods of Object.values(paths))
    for (const { responses } of Object.values(methods)) assert.ok(Object.keys(responses ?? {}).length > 0)
  assert.match(JSON.stringify(paths['/v1/chat']), /bot_id/)
})

test('the figures can be read by Prometheus', async () => {
  const { status, headers, text } = await ask('GET', '/metrics')
  assert.is(status, 200)
  assert.match(headers.get('content-type') as string, 'version=0.0.4')
  for (const line of text.trim().split('\n'))
    assert.match(line, /^(# (HELP|TYPE) \S+ .+|[a-zA-Z_:][\w:]*(\{([\w]+="([^"\\]|\\.)*",?)*\})? (-?[\d.e+-]+|NaN|[+-]Inf)|)$/)
  for (const name of ['http_requests_total', 'nexus_refusals_total', 'active_connections', 'nexus_streams'])
    assert.match(text, new RegExp(`^${name}`, 'm'))
  assert.match(text, /llm_calls_total\{[^}]*outcome="ok"[^}]*\} [1-9]/)
  assert.match(text, /nexus_refusals_total\{code="route\.unknown"\} [1-9]/)
})

test('a request that is no HTTP or never ends harms nobody', async () => {
  const { hostname, port } = new URL(server.url)
  for (const bytes of ['\x16\x03\x01\x02\x00', 'GET / HTTP/9.9\r\n\r\n', `GET / HTTP/1.1\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`]) {
    const socket = connect(Number(port), hostname)
    socket.on('error', () => {})
    socket.end(bytes)
    await within(5_000, new Promise((resolve) => socket.once('close', resolve).resume()), 'the end of junk')
  }
  assert.is((await ask('GET', '/health')).status, 200)
})

test('no model at all is an honest refusal with its reason', async () => {
  const down = await testServer({ CHAT_BASE_URL: 'http://127.0.0.1:9/v1', CHAT_MODEL: 'm', ANSWER_TIMEOUT_MS: '60000' })
  try {
    const answer = await within(60_000, down.ask('POST', '/v1/chat', { message: 'Please tell me how the tides come about.' }))
    refused(answer, 'answer.failed')
    assert.match(JSON.stringify(answer.json().details), /answer\.failed/)
  } finally {
    await down.stop()
  }
})

test('an answer that is late is told as late, and comes into the session all the same', async () => {
  const slow = await testServer({ ...modelsAt(double, 'openai'), ANSWER_TIMEOUT_MS: '1000' })
  try {
    double.next({ text: 'Better late than never.', delay: 1_300 })
    const answer = await slow.ask('POST', '/v1/chat', { message: 'Please tell me how the tides come about.' })
    refused(answer, 'answer.late')
    const { session_id } = answer.json<{ details: { session_id: string } }>().details
    const client = await testClient(slow.url)
    const { live, messages } = await client.join(session_id)
    if (!live && messages.length < 2) await client.hears('turn.finished')
    assert.is((await client.join(session_id)).messages.at(-1)?.text, 'Better late than never.')
    client.close()
  } finally {
    await slow.stop()
  }
})

test('a session that rested too long has expired, and a new one begins', async () => {
  const brief = await testServer({ ...modelsAt(double, 'openai'), SESSION_TTL_SECONDS: '60' })
  try {
    const { session_id } = (await brief.ask('POST', '/v1/chat', { message: 'hi' })).json()
    const { now } = Date
    Date.now = () => now() + 3_600_000
    try {
      const late = await brief.ask('POST', '/v1/chat', { message: 'hi', session_id })
      assert.is(late.status, 200, 'the clock of this machine says nothing of it')
    } finally {
      Date.now = now
    }
    await brief.db.sql`update conversations set last_at = now() - interval '61 seconds' where id = ${session_id as string}`
    refused(await brief.ask('POST', '/v1/chat', { message: 'hi', session_id }), 'session.expired')
    refused(await brief.ask('DELETE', '/v1/chat/session', { session_id }), 'session.expired')
  } finally {
    await brief.stop()
  }
})

test('without its store a node says which part is missing and asks to be tried later', async () => {
  const lame = await testServer()
  try {
    const { session_id } = (await lame.ask('POST', '/v1/chat', { message: 'hi' })).json()
    await lame.db.close()
    const ready = await lame.ask('GET', '/ready')
    assert.is(ready.status, 503)
    const { store } = ready.json<{ components: { store: { status: string; detail: string } } }>().components
    assert.is(store.status, 'critical')
    assert.match(store.detail, /^\w+$/, 'anybody may ask: it names no address')
    assert.is(ready.headers.get('retry-after'), '1')
    assert.is((await lame.ask('GET', '/health')).status, 200)
    for (const message of [{ message: 'hi' }, { message: 'hi', session_id }]) {
      const answer = await lame.ask('POST', '/v1/chat', message)
      refused(answer, 'store.unavailable')
      assert.is(answer.headers.get('retry-after'), '1')
    }
    assert.is((await lame.ask('GET', '/api/work-orders')).status, 503)
    // Whoever watches sees what can be told without it.
    const operator = io(`${lame.url}/operators`, { reconnection: false })
    const seen = await operator.timeout(10_000).emitWithAck('cluster.watch')
    assert.equal([seen.ok, seen.nodes, seen.deadLetters], [true, [], null])
    operator.close()
  } finally {
    await lame.stop().catch(() => {})
  }
})

test('a budget that is spent is told as such', async () => {
  const poor = await testServer({ ...modelsAt(double, 'openai'), BUDGET_USD: '0.0000001' })
  try {
    double.next({ usage: { in: 1000, out: 1000 } })
    const { session_id } = (await poor.ask('POST', '/v1/chat', { message: 'Please tell me how the tides come about.' })).json()
    const answer = await poor.ask('POST', '/v1/chat', { message: 'And now explain the wind to me as well, please.', session_id })
    assert.match(JSON.stringify(answer.json().details), /quota\.spent/)
  } finally {
    await poor.stop()
  }
})

test('a full mailbox asks to be tried later', async () => {
  const { session_id } = (await ask('POST', '/v1/chat', { message: 'hi' })).json<{ session_id: string }>()
  const client = await testClient(server.url)
  await client.join(session_id)
  double.next({ fault: 'hang before headers' })
  const arrival = double.arrival()
  await client.send(session_id, 'Please tell me how the tides come about.')
  await within(5_000, arrival)
  for (let count = 0; count < 20; count++) assert.ok((await client.send(session_id, `Wait, this too: number ${count}.`)).ok)
  const answer = await ask('POST', '/v1/chat', { message: 'One too many.', session_id })
  refused(answer, 'mailbox.full')
  assert.is(answer.headers.get('retry-after'), '1')
  const told = await client.send(session_id, 'One too many.')
  assert.ok(!told.ok && told.code === 'mailbox.full' && told.retryAfter === 1)
  await client.stop(session_id)
  client.close()
})

test.run()
