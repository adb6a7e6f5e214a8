/** Streams over plain HTTP: two grammars, one cursor, and a turn that never depends on who is reading. covers: GW-12, GW-13 */
import * as fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { long, short } from '../../../runtime/gateway/grammar.ts'
import { cursorText, readCursor } from '../../../runtime/gateway/cursor.ts'
import { lengthen } from '../../support/lengthen.ts'
import { providerDouble } from '../../support/provider.ts'
import { modelsAt, testServer, until } from '../../support/server.ts'
import { type SseLine, openSse } from '../../support/sse.ts'
import { within } from '../../support/within.ts'

const double = await providerDouble()
const server = await testServer(modelsAt(double, 'openai'))
const question = 'Please explain how the tides of the sea come about. A short answer will do.'
const words = (count: number) => Array.from({ length: count }, (_, at) => `word${at} `)

test.after.each(() => double.forget())
test.after(async () => {
  await server.stop()
  await double.close()
})

/** The text of the short form, by its rules. */
const textOf = (lines: SseLine[]) => lines.reduce((text, { data }) => (data.retracted ? '' : text + String(data.delta)), '')
const turnsOf = async (conversation: unknown) =>
  (await server.db.sql`select 1 from events where conversation = ${conversation as string} and name = 'turn.started'`).length

test('the short form says the reply piece by piece and ends once', async () => {
  double.next({ text: words(20), pace: 4 })
  const one = await openSse(server.url, '/v1/chat/stream', { message: question })
  assert.is(one.status, 200)
  assert.match(one.headers.get('content-type') as string, 'text/event-stream')
  assert.equal([one.headers.get('x-accel-buffering'), one.headers.get('cache-control')], ['no', 'no-cache, no-transform'])
  assert.ok(one.headers.get('x-request-id'))
  await within(10_000, one.ended)
  assert.is(textOf(one.lines), words(20).join(''))
  assert.ok(one.lines.length > 3)
  assert.equal(
    one.lines.map(({ data }) => data.finished),
    [...one.lines.slice(1).map(() => false), true],
  )
  const { session_id, ...last } = (one.lines.at(-1) as SseLine).data
  assert.equal(last, { delta: '', finished: true })
  assert.ok(one.lines.every(({ data }) => data.session_id === session_id))
})

test('/v1/chat streams each form in its own grammar', async () => {
  double.next({ text: words(3) })
  const brief = await openSse(server.url, '/v1/chat', { message: question, stream: true })
  await within(10_000, brief.ended)
  assert.is(textOf(brief.lines), words(3).join(''))
  double.next({ text: words(6), pace: 30, usage: { in: 7, out: 6 } })
  const full = await openSse(server.url, '/v1/chat', { bot_id: 'b', messages: [{ role: 'user', content: question }], stream: true })
  await within(10_000, full.ended)
  const names = full.lines.map(({ event }) => event)
  assert.equal([names[0], names[1], names.at(-2), names.at(-1)], ['start', 'token', 'citations', 'done'])
  assert.is(
    full.lines
      .filter(({ event }) => event === 'token')
      .map(({ data }) => data.content)
      .join(''),
    words(6).join(''),
  )
  assert.equal(full.lines.at(-1)?.data.usage, { prompt: 7, completion: 6, total: 13 })
  assert.ok(full.lines.every(({ event, data }) => data.type === event))
})

test('a reader who comes back with the last id gets exactly the rest', async () => {
  const session_id = crypto.randomUUID()
  double.next({ text: words(40), pace: 8 })
  const one = await openSse(server.url, '/v1/chat/stream', { message: question, session_id })
  await until(() => one.lines.length > 4, 'some words')
  one.hangUp()
  const last = one.lines.at(-1)?.id as string
  const two = await openSse(server.url, '/v1/chat/stream', { message: question, session_id }, { 'last-event-id': last })
  await within(10_000, two.ended)
  assert.is(textOf(one.lines) + textOf(two.lines), words(40).join(''))
  assert.is(two.lines.at(-1)?.data.finished, true)
  assert.is(await turnsOf(session_id), 1)

  // From any line on, also after the end, also from the very last one.
  const all = [...one.lines, ...two.lines]
  for (const at of [0, 3, all.length - 2, all.length - 1]) {
    const again = await openSse(
      server.url,
      '/v1/chat/stream',
      { message: question, session_id },
      { 'last-event-id': all[at]?.id as string },
    )
    await within(5_000, again.ended, `the replay from line ${at}`)
    assert.is(textOf(all.slice(0, at + 1)) + textOf(again.lines), words(40).join(''), `line ${at}`)
    assert.is(again.lines.at(-1)?.data.finished, true)
  }
  assert.is(await turnsOf(session_id), 1)
})

test('a reader of the long form who lost the stream before its first word resumes its own turn', async () => {
  const session_id = crypto.randomUUID()
  const body = (content: string) => ({ messages: [{ role: 'user', content }], session_id, stream: true })
  double.next({ text: ['the first answer'] })
  await within(10_000, (await openSse(server.url, '/v1/chat', body(question))).ended)
  double.next({ text: ['the second answer'], delay: 150 })
  const one = await openSse(server.url, '/v1/chat', body('Please explain how the winds come about, briefly.'))
  await until(() => one.lines.length > 0, 'the start')
  one.hangUp()
  const two = await openSse(server.url, '/v1/chat', body('Please explain how the winds come about, briefly.'), {
    'last-event-id': one.lines[0]?.id as string,
  })
  await within(5_000, two.ended)
  assert.is(
    two.lines
      .filter(({ event }) => event === 'token')
      .map(({ data }) => data.content)
      .join(''),
    'the second answer',
  )
  assert.is(await turnsOf(session_id), 2)
  const after = two.lines.findIndex(({ event }) => event === 'citations')
  const three = await openSse(server.url, '/v1/chat', body('…'), { 'last-event-id': two.lines[after]?.id as string })
  await within(5_000, three.ended)
  assert.equal(three.lines.at(-1)?.data, two.lines.at(-1)?.data)
})

test('the same message posted again begins no second turn, during the reply and after it', async () => {
  const session_id = crypto.randomUUID()
  const body = { message: question, message_id: 'mine-1', session_id }
  double.next({ text: words(30), pace: 6 })
  const one = await openSse(server.url, '/v1/chat/stream', body)
  await until(() => one.lines.length > 2, 'some words')
  const two = await openSse(server.url, '/v1/chat/stream', body)
  await within(10_000, Promise.all([one.ended, two.ended]))
  const three = await openSse(server.url, '/v1/chat/stream', body)
  await within(5_000, three.ended)
  for (const { lines } of [one, two, three]) assert.is(textOf(lines), words(30).join(''))
  assert.is(await turnsOf(session_id), 1)
  assert.is((await server.ask('POST', '/v1/chat', body)).json().message, words(30).join(''))
  // Long ago, with a replay too large to be one.
  await lengthen(server.db, session_id, 600)
  const four = await openSse(server.url, '/v1/chat/stream', body)
  await within(5_000, four.ended, 'an old message')
  assert.is(textOf(four.lines), words(30).join(''))
  const five = await openSse(server.url, '/v1/chat/stream', body, { 'last-event-id': one.lines[3]?.id as string })
  await within(5_000, five.ended, 'an old cursor')
  assert.is(textOf([...one.lines.slice(0, 4), ...five.lines]), words(30).join(''))
})

test('a reader that goes away cancels nothing', async () => {
  const session_id = crypto.randomUUID()
  double.next({ text: words(30), pace: 5 })
  const one = await openSse(server.url, '/v1/chat/stream', { message: question, session_id })
  await until(() => one.lines.length > 1, 'some words')
  one.hangUp()
  const [row] = await until(async () => {
    const rows = await server.db.sql`select text from messages where conversation = ${session_id} and role = 'assistant'`
    return rows.length > 0 ? rows : undefined
  }, 'the reply')
  assert.is(row?.text, words(30).join(''))
})

test('a retracted attempt is told, and what is said anew is the reply', async () => {
  double.next({ text: ['half an ans'], fault: 'cut' })
  double.next({ text: words(5) })
  const one = await openSse(server.url, '/v1/chat/stream', { message: question })
  await within(15_000, one.ended)
  assert.ok(one.lines.some(({ data }) => data.retracted === true))
  assert.is(textOf(one.lines), words(5).join(''))
})

test('a message that is merged into the turn under way gets its answer too, as a stream and whole', async () => {
  const merging = await testServer({ ...modelsAt(double, 'openai'), WHILE_BUSY: 'merge' })
  try {
    const session_id = crypto.randomUUID()
    const [first, second] = [double.arrival(), double.arrival()]
    double.next({ text: ['a word '], fault: 'hang' })
    double.next({ text: ['another '], fault: 'hang' })
    double.next({ text: words(9) })
    const one = await openSse(merging.url, '/v1/chat/stream', { message: question, session_id })
    await within(5_000, first)
    const two = await openSse(merging.url, '/v1/chat/stream', { message: 'And please say which of them is the strongest.', session_id })
    await within(5_000, second)
    const three = merging.ask('POST', '/v1/chat', { message: 'And please say how often they come, too.', session_id })
    await within(10_000, Promise.all([one.ended, two.ended]), 'the end of both streams')
    for (const { lines } of [one, two]) assert.is(textOf(lines), words(9).join(''))
    assert.is((await within(5_000, three)).json().message, words(9).join(''))
  } finally {
    await merging.stop()
  }
})

test('what cannot be accepted is refused as plain JSON before anything streams', async () => {
  for (const [body, headers, status] of [
    [{ message: '' }, {}, 400],
    [{ message: 'x'.repeat(10_001) }, {}, 400],
    [{ message: 'hi', session_id: crypto.randomUUID() }, { 'last-event-id': '1' }, 404],
    [{ message: 'hi', session_id: 'nonsense' }, {}, 400],
    [{ message: 'hi' }, { authorization: 'Bearer wrong' }, 401],
  ] as const) {
    const one = await openSse(server.url, '/v1/chat/stream', body, headers)
    assert.is(one.status, status)
    assert.match(one.headers.get('content-type') as string, 'application/json')
    await one.ended
  }
  const { session_id } = (await server.ask('POST', '/v1/chat', { message: 'hi' })).json()
  for (const cursor of ['1.2', 'NaN', '-1', '9999', '1.t1.0.0.0', 'x'.repeat(500)]) {
    const { status } = await server.ask('POST', '/v1/chat/stream', { message: 'hi', session_id }, { 'last-event-id': cursor })
    assert.is(status, 400, cursor)
  }
})

test('a failure rides in the stream, which ends all the same', async () => {
  for (let time = 0; time < 12; time++) double.next({ fault: { status: 400, body: { error: { message: 'no' } } } })
  const one = await openSse(server.url, '/v1/chat/stream', { message: question })
  await within(20_000, one.ended)
  const [failed, last] = one.lines.slice(-2) as [SseLine, SseLine]
  assert.is((failed.data.error as { code: string }).code, 'answer.failed')
  assert.is(last.data.finished, true)
  const two = await openSse(
    server.url,
    '/v1/chat/stream',
    { message: question, session_id: failed.data.session_id },
    { 'last-event-id': last.id },
  )
  await within(5_000, two.ended)
})

test('a cursor says the same after being written and read', () => {
  const whole = fc.integer({ min: 0, max: 999_999_999 })
  const place = fc.record({
    seq: fc.integer({ min: 0, max: 999_999_999_999 }),
    turn: fc.stringMatching(/^[\w-]{1,40}$/),
    attempt: whole,
    offset: whole,
  })
  fc.assert(
    fc.property(fc.oneof(place, fc.record({ seq: whole })), (cursor) => assert.equal(readCursor(cursorText(cursor)), { ...cursor })),
  )
  fc.assert(
    fc.property(fc.string(), (junk) => {
      try {
        assert.type(readCursor(junk).seq, 'number')
      } catch (error) {
        assert.is((error as { code: string }).code, 'request.malformed')
      }
    }),
  )
})

test('the grammars say each thing as their document has it', () => {
  const s = short('s1')
  assert.equal(
    [
      s.start(),
      s.delta('a'),
      s.finished({ message: { id: 'm', seq: 1, role: 'assistant', text: 'a', at: 0 }, usage: { in: 1, out: 1 } }),
      s.end(),
    ],
    [undefined, { data: { session_id: 's1', delta: 'a', finished: false } }, [], { data: { session_id: 's1', delta: '', finished: true } }],
  )
  assert.equal(s.refused({ code: 'c', message: 'm' }).data, {
    session_id: 's1',
    delta: '',
    finished: false,
    error: { code: 'c', message: 'm' },
  })
  const l = long('s1')
  const citations = [{ id: 'd1', title: 'Doc' }]
  assert.equal(l.start(), { event: 'start', data: { type: 'start', session_id: 's1' } })
  assert.equal(l.delta('a'), { event: 'token', data: { type: 'token', content: 'a' } })
  assert.equal(l.finished({ message: { id: 'm', seq: 1, role: 'assistant', text: 'a', citations, at: 0 }, usage: { in: 3, out: 4 } }), [
    { event: 'citations', data: { type: 'citations', citations } },
  ])
  assert.equal(l.end(), { event: 'done', data: { type: 'done', session_id: 's1', usage: { prompt: 3, completion: 4, total: 7 } } })
  assert.is(l.refused({ code: 'c', message: 'm' }).event, 'error')
})

test.run()
