import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { conversation } from '../../machines/conversation.ts'
import type { Policy } from '../../machines/policy.ts'
import type { AnswerAsk } from '../../machines/slot.ts'
import { createStepper } from '../../runtime/host/step.ts'
import { type Envelope, type MachineRecord, type Tree, callsIn } from '../../runtime/host/tree.ts'
import type { Logic } from '../../runtime/host/xstate.ts'
import { draft, message, policy, sorted } from '../support/samples.ts'
import { type Script, failing, later, never, play } from '../support/story.ts'

const chat = (script: Script = {}, more: Partial<Policy> = {}) =>
  play(conversation, script, { input: { conversation: 'c1', policy: policy(more) } })
const asks = (story: ReturnType<typeof chat>) => story.calls.filter(({ src }) => src === 'answer').map(({ input }) => input as AnswerAsk)
const claim = { type: 'operator.claimed', name: 'Ada' }
const release = { type: 'operator.released' }
const says = (text: string) => ({ type: 'operator.said', message: { id: `o-${text}`, text } })
const stop = { type: 'user.stopped' }
const refused = (story: ReturnType<typeof chat>) => story.events('message.refused').map(({ id, code }) => [id, code])
const spent = (story: ReturnType<typeof chat>) => story.contextOf<{ spent: number }>().spent

test('a message is answered, and the conversation is idle again', () => {
  const story = chat()
  story.hears(message())
  assert.equal(story.told, ['message.accepted', 'turn.started', 'turn.classified', 'reply.finished', 'turn.finished'])
  assert.equal(story.state, { automated: 'idle' })
})

test('turns are numbered', () => {
  const story = chat()
  story.hears(message())
  story.hears(message())
  assert.equal(
    story.events('turn.started').map(({ turn }) => turn),
    ['t1', 't2'],
  )
})

test('what is told is numbered without gaps, and what is live is not', () => {
  const story = chat({ validate: [{ pass: false }, { pass: true }] })
  story.hears(message())
  const numbers = story.emits.flatMap(({ seq }) => (seq === undefined ? [] : [seq]))
  assert.equal(
    numbers,
    numbers.map((_, at) => at + 1),
  )
  assert.ok(story.emits.filter(({ event }) => event.type === 'agent.status').every(({ seq }) => seq === undefined))
})

test('parts travel with the message', () => {
  const story = chat()
  story.hears({ type: 'message.received', message: { id: 'm1', text: 'look', parts: [{ type: 'image', url: 'x' }] } })
  assert.equal((story.events('message.accepted')[0]?.message as { parts: unknown }).parts, [{ type: 'image', url: 'x' }])
})

test('three lines typed in a row are one turn', () => {
  const story = chat({}, { window: 1_000 })
  story.hears(message({ id: 'a', text: 'why' }))
  story.waits(900)
  story.hears(message({ id: 'b', text: 'is the sky' }))
  story.hears(message({ id: 'c', text: 'blue?' }))
  assert.equal(asks(story), [])
  story.waits(100)
  assert.equal(
    asks(story).map(({ messages, text }) => [messages, text]),
    [[['a', 'b', 'c'], 'why\nis the sky\nblue?']],
  )
})

test('a stop while lines are gathered leaves them unanswered', () => {
  const story = chat({}, { window: 1_000 })
  story.hears(message())
  story.hears(stop)
  story.waits(10_000)
  assert.equal(story.told, ['message.accepted', 'turn.started', 'turn.stopped'])
  assert.equal(story.state, { automated: 'idle' })
})

test('lines that were stopped are not part of the next turn', () => {
  const story = chat({}, { window: 1_000 })
  story.hears(message({ id: 'a' }))
  story.hears(stop)
  story.hears(message({ id: 'b' }))
  story.waits(1_000)
  assert.equal(asks(story)[0]?.messages, ['b'])
})

test('a person who claims while lines are gathered takes them over', () => {
  const story = chat({}, { window: 1_000 })
  story.hears(message())
  story.hears(claim)
  story.waits(10_000)
  assert.equal(story.state, 'claimed')
  story.hears(release)
  assert.equal(asks(story), [])
})

test('enqueue: what comes during an answer waits for its own turn', () => {
  const story = chat({ answer: [later(1_000, draft('one')), draft('two')] }, { whileBusy: 'enqueue' })
  story.hears(message({ id: 'a' }))
  story.hears(message({ id: 'b' }))
  story.hears(message({ id: 'c' }))
  assert.is(asks(story).length, 1)
  story.waits(1_000)
  assert.equal(
    asks(story).map(({ messages }) => messages),
    [['a'], ['b', 'c']],
  )
})

test('interrupt: the newest message ends the answer before it, whose words stay', () => {
  const story = chat({ answer: [never, draft('two')], salvage: { text: 'half' } }, { whileBusy: 'interrupt' })
  story.hears(message({ id: 'a' }))
  story.hears(message({ id: 'b' }))
  assert.equal(
    asks(story).map(({ messages }) => messages),
    [['a'], ['b']],
  )
  assert.is(story.events('turn.stopped')[0]?.code, 'message.interrupted')
  assert.equal(
    story.events('reply.finished').map(({ partial }) => partial),
    [true, undefined],
  )
})

test('merge: no message of a turn is lost, however many come', () => {
  const story = chat({ classify: [sorted(), never, sorted()], answer: [never, draft()] }, { whileBusy: 'merge' })
  story.hears(message({ id: 'a' }))
  story.hears(message({ id: 'b' }))
  story.hears(message({ id: 'c' }))
  assert.equal(asks(story).at(-1)?.messages, ['a', 'b', 'c'])
  assert.is(story.events('reply.finished').length, 1)
})

test('merge: what comes during the rescue of a stopped answer gets a turn of its own', () => {
  const story = chat({ answer: [never, draft()], salvage: later(100, { text: '' }) }, { whileBusy: 'merge' })
  story.hears(message({ id: 'a' }))
  story.hears(stop)
  story.hears(message({ id: 'b' }))
  story.waits(100)
  assert.equal(
    asks(story).map(({ messages }) => messages),
    [['a'], ['b']],
  )
})

test('reject: a message during an answer is refused and not kept', () => {
  const story = chat({ answer: later(100, draft()) }, { whileBusy: 'reject' })
  story.hears(message({ id: 'a' }))
  story.hears(message({ id: 'b' }))
  assert.equal(refused(story), [['b', 'turn.busy']])
  story.waits(100)
  assert.is(story.events('message.accepted').length, 1)
  assert.equal(story.state, { automated: 'idle' })
})

test('a full queue refuses, whether gathering, answering or stopping', () => {
  const gathering = chat({}, { window: 1_000, waiting: 2 })
  for (const id of ['a', 'b', 'c']) gathering.hears(message({ id }))
  assert.equal(refused(gathering), [['c', 'mailbox.full']])

  const answering = chat({ answer: never }, { waiting: 1 })
  for (const id of ['a', 'b', 'c']) answering.hears(message({ id }))
  assert.equal(refused(answering), [['c', 'mailbox.full']])

  const stopping = chat({ answer: never, salvage: never }, { waiting: 1 })
  stopping.hears(message({ id: 'a' }))
  stopping.hears(stop)
  for (const id of ['b', 'c']) stopping.hears(message({ id }))
  assert.equal(refused(stopping), [['c', 'mailbox.full']])
})

test('a stop keeps the partial text and the conversation goes on', () => {
  const story = chat({ answer: [never, draft()], salvage: { text: 'half' } })
  story.hears(message())
  story.hears(stop)
  assert.equal(
    story.events('reply.finished').map(({ partial }) => partial),
    [true],
  )
  story.hears(message())
  assert.is(story.events('reply.finished').length, 2)
})

test('a stop when nothing runs changes nothing', () => {
  const story = chat()
  story.hears(stop)
  assert.equal(story.emits, [])
})

test('the Board is asked when no answer was good enough, and the next message is tried all the same', () => {
  const story = chat({ validate: [{ pass: false }, { pass: false }, { pass: false }, { pass: true }] })
  story.hears(message())
  assert.equal(story.state, { automated: 'asked' })
  assert.equal(
    story.events('conversation.state').map(({ value, attention }) => [value, attention]),
    [['asked', 'human']],
  )
  story.hears(message())
  assert.equal(story.state, { automated: 'idle' })
  assert.equal(
    story.events('conversation.state').map(({ attention }) => attention),
    ['human', 'automated'],
  )
})

test('what waited while the Board was asked is answered next', () => {
  const story = chat({ answer: [failing(), failing(), later(10, draft('', {})), draft()] })
  story.hears(message({ id: 'a' }))
  story.hears(message({ id: 'b' }))
  story.waits(10)
  assert.equal(asks(story).at(-1)?.messages, ['b'])
})

test('a turn whose own chart breaks is told, and a person is asked', () => {
  const story = chat({ classify: never })
  story.hears(message())
  story.answers('classify', null) // no verdict at all: reading it throws inside the turn
  assert.is(story.events('turn.failed')[0]?.code, 'answer.failed')
  assert.equal(story.state, { automated: 'asked' })
})

test('a budget that is spent is a state, and who writes is told so without any model', () => {
  const story = chat({ answer: draft('x, at length', { cost: 0.5 }) }, { budget: 0.5 })
  story.hears(message())
  assert.equal(story.state, { automated: 'exhausted' })
  const before = story.calls.length
  story.hears(message({ id: 'b' }))
  assert.is(story.calls.length, before)
  assert.equal(
    story.events('turn.failed').map(({ turn, code }) => [turn, code]),
    [['t2', 'quota.spent']],
  )
  assert.ok(story.events('message.accepted').some(({ message }) => (message as { id: string }).id === 'b'))
})

test('a budget is whole again after its period, or when it is renewed', () => {
  for (const renew of [
    (story: ReturnType<typeof chat>) => story.waits(60_000),
    (story: ReturnType<typeof chat>) => story.hears({ type: 'budget.renewed' }),
  ]) {
    const story = chat({ answer: draft('x, at length', { cost: 0.5 }) }, { budget: 0.5, period: 60_000 })
    story.hears(message())
    renew(story)
    assert.equal(story.state, { automated: 'idle' })
    assert.is(spent(story), 0)
    story.hears(message())
    assert.is(story.events('reply.finished').length, 2)
  }
})

test('what waited while the budget ran out is told so at once, and what comes when it is whole again is answered', () => {
  const story = chat({ answer: later(10, draft('x, at length', { cost: 0.5 })) }, { budget: 0.5, period: 60_000 })
  story.hears(message({ id: 'a' }))
  story.hears(message({ id: 'b' }))
  story.waits(10)
  assert.equal(story.state, { automated: 'exhausted' })
  assert.equal(story.told.slice(-3), ['turn.started', 'turn.failed', 'conversation.state'])
  story.waits(60_010)
  story.hears(message({ id: 'c' }))
  assert.equal(
    asks(story).map(({ messages }) => messages),
    [['a'], ['c']],
  )
})

test('a claim does not make a spent budget whole', () => {
  const story = chat({ answer: draft('x, at length', { cost: 0.5 }) }, { budget: 0.5, period: 60_000 })
  story.hears(message())
  story.hears(claim)
  story.hears(release)
  assert.equal(story.state, { automated: 'exhausted' })
  story.hears(message())
  assert.is(asks(story).length, 1)
})

test('an unknown price spends nothing that is known', () => {
  const story = chat({ answer: draft('x, at length', { cost: 'unknown' }) }, { budget: 0.5 })
  story.hears(message())
  assert.equal(story.state, { automated: 'idle' })
})

test('the words of a stopped answer count against the budget', () => {
  const story = chat({ answer: never, salvage: { text: 'half', usage: { in: 1, out: 1 }, cost: 0.5 } }, { budget: 0.5 })
  story.hears(message())
  story.hears(stop)
  assert.equal(story.state, { automated: 'exhausted' })
})

test('a person who claims is told to everybody, and so is the end of it', () => {
  const story = chat()
  story.hears(claim)
  assert.equal(story.told, ['conversation.state', 'operator.joined'])
  assert.is(story.events('operator.joined')[0]?.name, 'Ada')
  story.hears(release)
  assert.equal(story.told.slice(2), ['operator.left', 'conversation.state'])
  assert.is(story.events('operator.left')[0]?.name, 'Ada')
})

test('while claimed the person speaks and the agents do not', () => {
  const story = chat()
  story.hears(claim)
  story.hears(message({ text: 'hello?' }))
  story.hears(says('Hello, this is Ada.'))
  story.waits(10 * 86_400_000)
  assert.equal(story.calls, [])
  assert.equal(
    story.events('message.accepted').map(({ message }) => (message as { role: string }).role),
    ['user', 'operator'],
  )
})

test('a claim during an answer cuts it, keeps its words and waits for the rescue', () => {
  const story = chat({ answer: never, salvage: later(100, { text: 'half' }) })
  story.hears(message({ id: 'a' }))
  story.hears(claim)
  assert.equal(story.state, { automated: { answering: 'yielding' } })
  story.hears(message({ id: 'b' }))
  story.waits(100)
  assert.is(story.state, 'claimed')
  assert.equal(story.told.slice(3), ['message.accepted', 'reply.finished', 'turn.stopped', 'conversation.state', 'operator.joined'])
  story.hears(release)
  assert.is(asks(story).length, 1)
})

test('a claim while a stop is under way is heard', () => {
  const story = chat({ answer: never, salvage: later(100, { text: 'half' }) })
  story.hears(message())
  story.hears(stop)
  story.hears(claim)
  story.waits(100)
  assert.is(story.state, 'claimed')
})

test('what a person says while the agent still falls silent is not lost', () => {
  const story = chat({ answer: never, salvage: later(100, { text: 'half' }) })
  story.hears(message())
  story.hears(claim)
  story.hears(says('I take over.'))
  story.waits(100)
  assert.ok(story.events('message.accepted').some(({ message }) => (message as { role: string }).role === 'operator'))
})

test('a person who claims and lets go at once is not kept', () => {
  const story = chat({ answer: never, salvage: later(100, { text: 'half' }) })
  story.hears(message())
  story.hears(claim)
  story.hears(release)
  story.waits(100)
  assert.equal(story.state, { automated: 'idle' })
  assert.is(story.contextOf<{ claimant: unknown }>().claimant, null)
})

test('a conversation can be claimed from wherever it rests', () => {
  const asked = chat({ validate: { pass: false } })
  asked.hears(message())
  asked.hears(claim)
  assert.is(asked.state, 'claimed')
})

test('clearing the history is told wherever the conversation stands', () => {
  const story = chat({ answer: never })
  story.hears({ type: 'history.cleared' })
  story.hears(message())
  story.hears({ type: 'history.cleared' })
  assert.is(story.events('history.cleared').length, 2)
  assert.is(story.events('history.cleared')[0]?.at, story.now)
  story.hears(claim)
})

/**
 * The law, from the chart itself: every tree that can be reached within some events while claimed is visited, and from none of
 * them does any event, answer or timer begin work.
 */
test('from no state that can be reached while claimed does an agent begin to speak', () => {
  const stepper = createStepper(conversation as unknown as Logic)
  const events = [
    message({ id: 'x' }),
    stop,
    { type: 'history.cleared' },
    claim,
    says('hi'),
    { type: 'budget.renewed' },
    { type: 'turn.cut', code: 'user.stopped' },
    { type: 'turn.widened', message: { id: 'y', text: 'y' } },
  ]
  const beginnings = [
    chat(),
    chat({}, { window: 1_000 }),
    ...(['enqueue', 'interrupt', 'merge'] as const).flatMap((whileBusy) => [
      chat({ answer: never }, { whileBusy }),
      chat({ classify: never, answer: never }, { whileBusy }),
      chat({ validate: never }, { whileBusy }),
    ]),
    chat({ validate: { pass: false } }),
    chat({ answer: draft('x, at length', { cost: 1 }) }, { budget: 1 }),
  ]
  let visited = 0
  for (const story of beginnings) {
    story.hears(message())
    story.hears(message())
    story.hears(claim)
    while (story.state !== 'claimed') story.answers('salvage', { text: 'half' })
    const seen = new Set<string>()
    const queue: Tree[] = [story.tree]
    for (let tree = queue.shift(); tree && seen.size < 200; tree = queue.shift()) {
      const root = tree.actors.root as MachineRecord
      assert.is(root.value, 'claimed')
      assert.equal([...callsIn(tree)], [], 'no work is under way while claimed')
      assert.equal(tree.timers, {}, 'nothing waits while claimed')
      const envelopes: Envelope[] = events.flatMap((event) => ['root', 'root/turn', 'root/turn/agent'].map((to) => ({ to, event })))
      for (const envelope of envelopes) {
        const { tree: next, calls } = stepper.step(tree, envelope, story.now)
        assert.equal(calls, [], `${JSON.stringify(envelope)} begins work while claimed`)
        const key = JSON.stringify({ ...next, v: 0, seq: 0 })
        if (!seen.has(key)) {
          seen.add(key)
          queue.push(next)
        }
      }
      visited++
    }
  }
  assert.ok(visited >= beginnings.length)
})

test('a turn whose end could not be taken in ends with a word, and a person is asked', () => {
  const story = chat({ validate: never })
  story.hears(message())
  story.hears({ type: 'turn.broken' })
  assert.equal(story.told.slice(-2), ['turn.failed', 'conversation.state'])
  assert.equal(story.state, { automated: 'asked' })
})

test('a merged burst is bounded like a queue', () => {
  const story = chat({ answer: never }, { whileBusy: 'merge', waiting: 2 })
  for (const id of ['a', 'b', 'c', 'd']) story.hears(message({ id }))
  assert.is(story.told.filter((name) => name === 'message.accepted').length, 3)
})

test('a claim outlives the turn that breaks under it', () => {
  const story = chat({ answer: never, salvage: never })
  story.hears(message())
  story.hears(claim)
  story.hears({ type: 'turn.broken' })
  assert.equal(story.state, 'claimed')
})

test.run()
