import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { answeredBy, remarksOf, statusOf } from '../../../channels/web/status.ts'
import { begin, cursor, discard, fail, type Heard, hear, join, say, settle, type Transcript } from '../../../channels/web/transcript.ts'
import type { Message } from '../../../runtime/gateway/protocol.ts'

const conversation = 'c'
const event = (name: string, payload: object): Heard => [name, { conversation, ...payload }]
const hears = (t: Transcript, ...events: Heard[]): Transcript => events.reduce((now, e) => hear(now, e), t)
const question = (seq: number, id = `q${seq}`, text = 'Why?'): Heard =>
  event('message.accepted', { seq, message: { id, seq, role: 'user', text, at: 1_000 } })
const started = (seq: number, turn = 't'): Heard => event('turn.started', { seq, turn, messages: ['q1'] })
const delta = (offset: number, text: string, attempt = 1, turn = 't'): Heard => event('reply.delta', { turn, attempt, offset, text })
const answer = (seq: number, text: string): Message => ({ id: 'a', seq, role: 'assistant', text, turn: 't', agent: 'director', at: 4_200 })
const finished = (seq: number, text: string, more: object = {}): Heard =>
  event('reply.finished', { seq, turn: 't', attempt: 1, message: answer(seq, text), usage: { in: 1, out: 1 }, cost: 0, ...more })
const status = (agent: string, doing: string, more: object = {}): Heard =>
  event('agent.status', { turn: 't', agent, status: doing, at: 0, ...more })
const writing = (...deltas: Heard[]): Transcript => hears(begin(conversation), question(1), started(2), ...deltas)
const state = { value: 'listening', attention: 'automated' as const }

test('an event that was heard before is dropped', () => {
  const once = hears(begin(conversation), question(1))
  assert.is(hear(once, question(1, 'other')), once)
})

test('a gap in the numbers asks to join again and applies nothing', () => {
  const t = hears(begin(conversation), question(1), started(3))
  assert.ok(t.behind)
  assert.is(t.seq, 1)
  assert.is(t.current, undefined)
})

test('an event of a name from the future still counts', () => {
  const t = hears(begin(conversation), question(1), event('moon.landed', { seq: 2 }), started(3))
  assert.is(t.seq, 3)
  assert.not.ok(t.behind)
})

test('another conversation is none of our business', () => {
  const t = begin(conversation)
  assert.is(hear(t, ['message.accepted', { conversation: 'other', seq: 1 }]), t)
})

test('a delta that came twice, or in part, is merged by its offset', () => {
  const t = writing(delta(0, 'Hello'), delta(0, 'Hello'), delta(3, 'lo you'), delta(2, 'l'))
  assert.is(t.reply?.text, 'Hello you')
})

test('a delta beyond what we have asks to join again', () => {
  const t = writing(delta(0, 'Hello'), delta(9, '!'))
  assert.ok(t.behind)
  assert.is(t.reply?.text, 'Hello')
})

test('a newer attempt that does not begin at 0 asks to join again', () => {
  assert.ok(writing(delta(0, 'Hello'), delta(5, ' you', 2)).behind)
})

test('a newer attempt replaces, an older one is dropped', () => {
  const t = writing(delta(0, 'Wrong'), delta(0, 'Right', 2), delta(5, ' again'))
  assert.equal(t.reply, { turn: 't', attempt: 2, text: 'Right' })
})

test('a retracted attempt is forgotten and its late deltas stay away', () => {
  const t = writing(delta(0, 'Wrong'), event('reply.retracted', { seq: 3, turn: 't', attempt: 1, reason: 'quality' }), delta(0, 'Wrong'))
  assert.is(t.reply, undefined)
  assert.equal(remarksOf(t.turns['t']), ['started over: quality'])
})

test('a finished reply takes the place of its deltas', () => {
  const t = hears(
    writing(delta(0, 'Because.')),
    finished(3, 'Because.'),
    event('turn.finished', { seq: 4, turn: 't' }),
    delta(0, 'Because.'),
  )
  assert.is(t.reply, undefined)
  assert.is(t.current, undefined)
  assert.equal(
    t.messages.map(({ text }) => text),
    ['Why?', 'Because.'],
  )
  assert.is(t.faults, 0)
})

test('a finished reply that is not what we put together is a fault, and its text wins', () => {
  const t = hears(writing(delta(0, 'Becaus')), finished(3, 'Because.'))
  assert.is(t.faults, 1)
  assert.is(t.messages.at(-1)?.text, 'Because.')
})

test('an answer that comes whole is no fault', () => {
  assert.is(hears(writing(), finished(3, 'Because.')).faults, 0)
})

test('the cursor says how far we are, within the reply too', () => {
  assert.is(cursor(begin(conversation)), undefined)
  assert.equal(cursor(writing(delta(0, 'Hello'))), { seq: 2, turn: 't', attempt: 1, offset: 5 })
  assert.equal(cursor(writing()), { seq: 2 })
})

test('joining late shows the messages and the reply as far as it is', () => {
  const messages: Message[] = [{ id: 'q1', seq: 1, role: 'user', text: 'Why?', at: 0 }]
  const t = join(begin(conversation), { conversation, seq: 2, state, messages, live: { turn: 't', attempt: 1, text: 'Beca' } })
  const more = hears(t, delta(4, 'use'))
  assert.is(more.reply?.text, 'Because')
  assert.is(more.seq, 2)
})

test('what was missed is applied in order, and the live text replaces ours', () => {
  const t = join(writing(delta(0, 'Hel')), {
    conversation,
    seq: 4,
    state,
    messages: [],
    live: { turn: 'u', attempt: 1, text: 'Next' },
    missed: [finished(3, 'Hello there'), event('turn.finished', { seq: 4, turn: 't' })],
  })
  assert.is(t.seq, 4)
  assert.is(t.faults, 0, 'a replay does not tell all deltas of a reply that is over')
  assert.equal(
    t.messages.map(({ text }) => text),
    ['Why?', 'Hello there'],
  )
  assert.is(t.reply?.text, 'Next')
})

test('a replay with a hole is not taken for whole', () => {
  const t = join(writing(), { conversation, seq: 9, state, messages: [], missed: [started(5)] })
  assert.ok(t.behind)
})

test('a fresh join replaces what was known, and a finished turn stays finished', () => {
  const t = join({ ...writing(delta(0, 'Hel')), behind: true }, { conversation, seq: 4, state, messages: [answer(3, 'Hello')] })
  assert.not.ok(t.behind)
  assert.is(hear(t, delta(0, 'Hel')).reply, undefined)
})

test('a message shows at once and settles by acknowledgement, whichever comes first', () => {
  const said = say(begin(conversation), { id: 'q1', text: 'Why?', at: 5 })
  assert.is(said.outgoing.length, 1)
  for (const t of [hear(settle(said, 'q1', 1), question(1)), settle(hear(said, question(1)), 'q1', 1)]) {
    assert.is(t.outgoing.length, 0)
    assert.equal(
      t.messages.map(({ id, at }) => [id, at]),
      [['q1', 1_000]],
    )
  }
})

test('a message that a join brings along is no longer on its way', () => {
  const said = say(begin(conversation), { id: 'q1', text: 'Why?', at: 5 })
  const t = join(said, { conversation, seq: 1, state, messages: [{ id: 'q1', seq: 1, role: 'user', text: 'Why?', at: 6 }] })
  assert.is(t.outgoing.length, 0)
})

test('a refused message keeps its reason until it is said again or discarded', () => {
  const said = say(begin(conversation), { id: 'q1', text: 'Why?', at: 5 })
  const failed = fail(said, 'q1', { message: 'too long' })
  assert.is(failed.outgoing[0]?.failed, 'too long')
  assert.is(say(failed, { id: 'q1', text: 'Why?', at: 5 }).outgoing[0]?.failed, undefined)
  assert.is(discard(failed, 'q1').outgoing.length, 0)
})

test('the status line says who does what', () => {
  assert.is(statusOf(begin(conversation)), undefined)
  assert.is(statusOf(writing()), 'Reading…')
  assert.is(statusOf(writing(status('admin', 'sorting'))), 'Admin is sorting…')
  assert.is(statusOf(writing(status('director', 'writing…'))), 'Director is writing…')
  assert.is(statusOf(writing(status('director', 'searching', { tool: 'the handbook' }))), 'Director is searching with the handbook…')
  assert.is(statusOf(writing(status('qa', 'checking'))), 'QA is checking…')
  assert.is(statusOf(hears(writing(), event('typing.started', { who: 'Dana' }))), 'Dana is typing…')
})

test('a status that comes after the end revives nothing', () => {
  const t = hears(writing(), event('turn.failed', { seq: 3, turn: 't', code: 'answer.failed', message: 'No.' }), status('qa', 'checking'))
  assert.is(statusOf(t), undefined)
  assert.equal(t.notes, [{ seq: 3, kind: 'failed', turn: 't', code: 'answer.failed', text: 'No.' }])
})

test('an answer says by whom and how long it took', () => {
  const t = hears(writing(), finished(3, 'Because.'))
  assert.is(answeredBy(t, t.messages[1]!), 'answered by Director, 3.2 s')
})

test('a partial answer says that it was stopped, an escalated one from whom it came', () => {
  const stopped = hears(
    writing(delta(0, 'Be')),
    finished(3, 'Be', { partial: true }),
    event('turn.stopped', { seq: 4, turn: 't', code: 'user.stopped' }),
  )
  assert.is(answeredBy(stopped, stopped.messages[1]!), 'Director was stopped after 3.2 s')
  const climbed = hears(writing(), event('turn.escalated', { seq: 3, turn: 't', from: 'intern', to: 'director', reason: 'too hard' }))
  assert.equal(remarksOf(climbed.turns['t']), ['passed from Intern to Director: too hard'])
})

test('a person who joins and leaves is noted', () => {
  const joined = hears(begin(conversation), event('operator.joined', { seq: 1, name: 'Dana' }))
  assert.is(joined.operator, 'Dana')
  const left = hear(joined, event('operator.left', { seq: 2, name: 'Dana' }))
  assert.is(left.operator, undefined)
  assert.equal(
    left.notes.map(({ kind }) => kind),
    ['joined', 'left'],
  )
})

test('a cleared history is empty', () => {
  const t = hears(begin(conversation), question(1))
  assert.is(hear(t, event('history.cleared', { seq: 2, at: 0 })).messages.length, 0)
})

test.run()
