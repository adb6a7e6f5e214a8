import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { TurnOutput } from '../../machines/turn.context.ts'
import { turn } from '../../machines/turn.ts'
import type { AnswerAsk, SalvageAsk } from '../../machines/slot.ts'
import { draft, sorted } from '../support/samples.ts'
import { type Script, type Story, failing, later, lost, never, play } from '../support/story.ts'

const told = (script: Script) => play(turn, script).told
const outputOf = ({ tree }: Story) => (tree.actors.root as { output?: TurnOutput }).output
const cut = (code: 'user.stopped' | 'message.interrupted' | 'operator.claimed' = 'user.stopped') => ({ type: 'turn.cut', code })
const widened = (id: string, text: string) => ({ type: 'turn.widened', message: { id, text } })
const asks = (story: Story) => story.calls.filter(({ src }) => src === 'answer').map(({ input }) => input as AnswerAsk)
const finished = (story: Story) =>
  story.events<{
    attempt: number
    message: { id: string; text: string; agent: string; at: number }
    usage: object
    cost: unknown
    partial?: true
  }>('reply.finished')

test('a question is sorted, answered, checked and delivered', () => {
  const story = play(turn)
  assert.equal(story.told, ['turn.started', 'turn.classified', 'reply.finished', 'turn.finished'])
  assert.equal(
    story.calls.map(({ src }) => src),
    ['classify', 'answer', 'validate'],
  )
  assert.equal(outputOf(story), { turn: 't1', end: 'answered', cost: 0.01 })
})

test('the difficulty chooses who takes the first look', () => {
  for (const [difficulty, tier] of [
    ['trivial', 'intern'],
    ['normal', 'director'],
    ['complex', 'ceo'],
  ] as const) {
    assert.equal(play(turn, { classify: sorted(difficulty) }).asked, [tier])
  }
})

test('without Admin the middle of the ladder tries', () => {
  assert.equal(play(turn, { classify: failing() }).asked, ['director'])
})

test('nobody waits longer than twenty seconds for Admin', () => {
  const story = play(turn, { classify: never })
  story.waits(19_999)
  assert.equal(story.asked, [])
  story.waits(1)
  assert.equal(story.asked, ['director'])
})

test('an unclear question is answered by one question and no expensive model', () => {
  const story = play(turn, { classify: sorted('unclear', { question: 'Which sky?', usage: { in: 7, out: 2 }, cost: 0.001 }) })
  assert.equal(story.asked, [])
  assert.equal(story.told, ['turn.started', 'reply.finished', 'turn.finished'])
  const [reply] = finished(story)
  assert.is(reply?.message.text, 'Which sky?')
  assert.is(reply?.message.agent, 'admin')
  assert.equal(outputOf(story), { turn: 't1', end: 'asked back', cost: 0.001 })
})

test('an unclear question without a question of its own gets a plain one', () => {
  assert.match(finished(play(turn, { classify: sorted('unclear') }))[0]?.message.text ?? '', /more about what you need/)
})

test('a failed check climbs: the draft is withdrawn and the next tier is told why', () => {
  const story = play(turn, { validate: [{ pass: false, why: 'no source' }, { pass: true }] })
  assert.equal(story.asked, ['director', 'ceo'])
  assert.equal(story.told, ['turn.started', 'turn.classified', 'reply.retracted', 'turn.escalated', 'reply.finished', 'turn.finished'])
  assert.equal(
    story.events('reply.retracted').map(({ attempt, reason }) => [attempt, reason]),
    [[1, 'no source']],
  )
  assert.equal(
    asks(story).map(({ attempt, feedback }) => [attempt, feedback]),
    [
      [1, undefined],
      [2, 'no source'],
    ],
  )
  assert.is(finished(story)[0]?.attempt, 2)
})

test('a check without a reason still has one', () => {
  assert.is(play(turn, { validate: [{ pass: false }, { pass: true }] }).events('reply.retracted')[0]?.reason, 'the check failed')
})

test('a fault climbs like a failed check', () => {
  const story = play(turn, { classify: sorted('trivial'), answer: [failing('overloaded'), draft()] })
  assert.equal(story.asked, ['intern', 'director'])
  assert.is(story.events('turn.escalated')[0]?.reason, 'it is overloaded')
})

test('a draft that its author does not stand by climbs without a check', () => {
  const story = play(turn, { answer: [draft('I cannot.', { reason: 'refusal' }), draft()] })
  assert.equal(
    story.calls.map(({ src }) => src),
    ['classify', 'answer', 'answer', 'validate'],
  )
  assert.equal(story.asked, ['director', 'ceo'])
})

test('an agent whose own chart breaks counts as a failed draft', () => {
  const story = play(turn, { answer: never })
  story.answers('answer', { text: 42 }) // no draft at all: reading it throws inside the agent
  assert.equal(
    story.events('reply.retracted').map(({ reason }) => reason),
    ['the agent failed'],
  )
  assert.equal(story.asked, ['director', 'ceo'])
})

test('a model that stays silent is replaced by the next tier', () => {
  const story = play(turn, { classify: sorted('trivial'), answer: never })
  story.waits(60_000)
  assert.equal(story.asked, ['intern', 'director'])
  story.waits(120_000)
  assert.equal(story.asked, ['intern', 'director', 'ceo'])
  assert.equal(
    story.events('turn.escalated').map(({ reason }) => reason),
    ['the answer took too long', 'the answer took too long'],
  )
})

test('at the top the best tier tries once more', () => {
  assert.equal(play(turn, { classify: sorted('complex'), validate: { pass: false } }).asked, ['ceo', 'ceo', 'ceo'])
})

test('after three drafts that fail the check the Board is asked', () => {
  const story = play(turn, { classify: sorted('trivial'), validate: { pass: false, why: 'thin' } })
  assert.equal(story.asked, ['intern', 'director', 'ceo'])
  assert.is(story.told.at(-1), 'turn.failed')
  assert.is(story.events('turn.failed')[0]?.code, 'board.asked')
  assert.equal(outputOf(story), { turn: 't1', end: 'board', cost: 0.03 })
  assert.equal(story.orders.at(-1), { turn: 't1', status: 'blocked', owner: 'board', retries: 2, error: 'thin' })
})

test('after three faults the failure is told and the Board is asked', () => {
  const story = play(turn, { answer: failing() })
  assert.is(story.asked.length, 3)
  assert.is(story.events('turn.failed')[0]?.code, 'answer.failed')
  assert.is(outputOf(story)?.end, 'board')
})

test('every withdrawn draft is withdrawn before the next one begins', () => {
  const story = play(turn, { validate: { pass: false } })
  assert.equal(
    story.events('reply.retracted').map(({ attempt }) => attempt),
    [1, 2, 3],
  )
  assert.equal(
    asks(story).map(({ attempt }) => attempt),
    [1, 2, 3],
  )
})

test('a node lost under a draft means the same tier again, not the next', () => {
  const story = play(turn, { classify: sorted('trivial'), answer: [lost, draft()] })
  assert.equal(story.asked, ['intern', 'intern'])
  assert.equal(story.told, ['turn.started', 'turn.classified', 'reply.retracted', 'reply.finished', 'turn.finished'])
  assert.is(story.events('reply.retracted')[0]?.reason, 'node.lost')
  assert.is(finished(story)[0]?.attempt, 2)
})

test('a reply that is cut off in mid-stream is withdrawn and written again by the same tier', () => {
  const story = play(turn, { classify: sorted('trivial'), answer: [failing('cut', 'socket hang up'), draft()] })
  assert.equal(story.asked, ['intern', 'intern'])
  assert.equal(story.told, ['turn.started', 'turn.classified', 'reply.retracted', 'reply.finished', 'turn.finished'])
  assert.is(story.events('reply.retracted')[0]?.reason, 'reply.cut')
})

test('who writes again is told since when attempts broke off, unless one had asked a tool or the question is another by now', () => {
  const resumed = (...answer: unknown[]) => asks(play(turn, { classify: sorted('trivial'), answer })).map(({ resumes }) => resumes)
  assert.equal(resumed(lost, failing('cut'), draft()), [undefined, 1, 1])
  assert.equal(resumed(draft(''), lost, draft()), [undefined, undefined, 2], 'what was poor is not gone on with')
  assert.equal(resumed(lost, draft(''), lost, draft()), [undefined, 1, undefined, 3])
  const tool = draft('Let me see.', { reason: 'tool', calls: [{ id: 'c', name: 'search', args: {} }] })
  assert.equal(resumed(lost, tool, lost, draft()), [undefined, 1, 1, undefined])
  assert.equal(
    asks(play(turn, { answer: [tool, draft()], consult: lost })).map(({ resumes }) => resumes),
    [undefined, undefined],
  )
  const story = play(turn, { classify: sorted('trivial'), answer: [lost, never, draft()] })
  story.hears(widened('m2', 'and the sea?'))
  assert.equal(
    asks(story).map(({ attempt, resumes }) => [attempt, resumes]),
    [
      [1, undefined],
      [2, 1],
      [3, undefined],
    ],
  )
})

test('nodes that die five times are a failure of their own', () => {
  const story = play(turn, { classify: sorted('trivial'), answer: [lost, lost, lost, lost, lost, lost, draft()] })
  assert.equal(story.asked, [...Array(6).fill('intern'), 'director'])
})

test('without QA the answer is delivered unchecked', () => {
  assert.is(play(turn, { validate: failing() }).told.at(-1), 'turn.finished')
})

test('nobody waits longer than thirty seconds for QA', () => {
  const story = play(turn, { validate: never })
  story.waits(29_999)
  assert.not.ok(story.told.includes('reply.finished'))
  story.waits(1)
  assert.ok(story.told.includes('reply.finished'))
})

test('a stop keeps what was said, marked as a part', () => {
  const story = play(turn, { answer: never, salvage: { text: 'Because of', model: 'double-1', usage: { in: 9, out: 2 }, cost: 0.004 } })
  story.hears(cut())
  assert.equal(story.told, ['turn.started', 'turn.classified', 'reply.finished', 'turn.stopped'])
  const [reply] = finished(story)
  assert.is(reply?.message.text, 'Because of')
  assert.is(reply?.partial, true)
  assert.equal(outputOf(story), { turn: 't1', end: 'stopped', cost: 0.004, code: 'user.stopped' })
  assert.is(story.cancels.length, 1)
})

test('the price of words that were cut off is in the books', () => {
  const story = play(turn, { answer: never, salvage: { text: 'Because of', model: 'double-1', usage: { in: 9, out: 2 }, cost: 0.004 } })
  story.hears(cut())
  assert.equal(story.usage.at(-1), {
    turn: 't1',
    agent: 'director',
    provider: 'model',
    model: 'double-1',
    usage: { in: 9, out: 2 },
    cost: 0.004,
    ms: 0,
    ok: true,
  })
  assert.equal(finished(story)[0]?.usage, { in: 9, out: 2 })
})

test('a stop before the first word ends without a message, and its price counts', () => {
  const story = play(turn, { answer: never, salvage: { text: '', usage: { in: 9, out: 0 }, cost: 0.002 } })
  story.hears(cut())
  assert.equal(story.told.slice(2), ['turn.stopped'])
  assert.is(outputOf(story)?.cost, 0.002)
})

test('a stop during the check does not bill the draft twice', () => {
  const story = play(turn, { validate: never, salvage: { text: 'Because of Rayleigh scattering.', usage: { in: 10, out: 5 }, cost: 0.01 } })
  story.hears(cut())
  assert.is(outputOf(story)?.cost, 0.01)
  assert.equal(finished(story)[0]?.usage, { in: 10, out: 5 })
  assert.is(story.usage.filter(({ agent }) => agent === 'director').length, 1)
})

test('a stop while Admin sorts ends at once: there is nothing to save', () => {
  const story = play(turn, { classify: never })
  story.hears(cut())
  assert.equal(story.told, ['turn.started', 'turn.stopped'])
  assert.equal(story.pending, [])
})

test('a stop whose rescue fails ends without a message rather than never', () => {
  const story = play(turn, { answer: never, salvage: failing() })
  story.hears(cut())
  assert.equal(story.told.slice(2), ['reply.retracted', 'turn.stopped'])
})

test('a stop whose rescue never comes ends likewise', () => {
  const story = play(turn, { answer: never, salvage: never })
  story.hears(cut())
  assert.equal(story.told.slice(2), [])
  story.waits(15_000)
  assert.equal(story.told.slice(2), ['reply.retracted', 'turn.stopped'])
})

test('a cut says who cut', () => {
  for (const code of ['user.stopped', 'message.interrupted', 'operator.claimed'] as const) {
    const story = play(turn, { answer: never })
    story.hears(cut(code))
    assert.is(story.events('turn.stopped')[0]?.code, code)
  }
})

test('a second stop changes nothing', () => {
  const story = play(turn, { answer: never, salvage: later(100, { text: 'Because' }) })
  story.hears(cut())
  story.hears(cut('operator.claimed'))
  story.waits(100)
  assert.is(story.events('turn.stopped')[0]?.code, 'user.stopped')
})

test('one more message while Admin sorts is sorted with the others', () => {
  const story = play(turn, { classify: [never, sorted()] })
  story.hears(widened('m2', 'and the sea?'))
  assert.equal(asks(story)[0]?.messages, ['m1', 'm2'])
  assert.is(asks(story)[0]?.text, 'why is the sky blue?\nand the sea?')
})

test('one more message during an answer withdraws it and answers all anew', () => {
  const story = play(turn, { answer: [never, draft()] })
  story.hears(widened('m2', 'and the sea?'))
  assert.equal(
    story.events('reply.retracted').map(({ attempt, reason }) => [attempt, reason]),
    [[1, 'message.merged']],
  )
  assert.equal(
    asks(story).map(({ attempt, messages }) => [attempt, messages.length]),
    [
      [1, 1],
      [2, 2],
    ],
  )
  assert.is(finished(story)[0]?.attempt, 2)
})

test('one more message during the check withdraws the draft', () => {
  const story = play(turn, { validate: [never, { pass: true }] })
  story.hears(widened('m2', 'and the sea?'))
  assert.equal(story.told, [
    'turn.started',
    'turn.classified',
    'reply.retracted',
    'turn.widened',
    'turn.classified',
    'reply.finished',
    'turn.finished',
  ])
})

test('words that a merge withdrew do not come back when the turn is stopped', () => {
  const story = play(turn, {
    classify: [sorted(), never],
    answer: never,
    salvage: ({ attempt }: SalvageAsk) => ({ text: `words of attempt ${attempt}` }),
  })
  story.hears(widened('m2', 'and the sea?'))
  story.hears(cut())
  assert.equal(finished(story), [])
  assert.is(story.told.at(-1), 'turn.stopped')
})

test('what the check cost is in the books', () => {
  const story = play(turn, { validate: { pass: true, usage: { in: 20, out: 1 }, cost: 0.002 } })
  assert.is(outputOf(story)?.cost, 0.012)
  assert.equal(
    story.usage.map(({ agent }) => agent),
    ['admin', 'director', 'qa'],
  )
})

test('the reply tells the sum of all drafts, and its own time', () => {
  const story = play(turn, { validate: [{ pass: false }, { pass: true }] })
  assert.equal(finished(story)[0]?.usage, { in: 20, out: 10 })
  assert.is(finished(story)[0]?.cost, 0.02)
  assert.is(finished(story)[0]?.message.at, story.now)
})

test('a reply has the same id on every replay, and another one for every attempt', () => {
  assert.is(finished(play(turn))[0]?.message.id, 'c1.t1.1')
  assert.is(finished(play(turn, { answer: [failing(), draft()] }))[0]?.message.id, 'c1.t1.2')
})

test('citations travel with the reply', () => {
  const citations = [{ id: 'k1', title: 'README' }]
  const [reply] = finished(play(turn, { answer: draft('See [1].', { citations }) })) as unknown as { message: { citations: unknown } }[]
  assert.equal(reply?.message.citations, citations)
})

test("Admin's brief goes to whoever answers", () => {
  assert.is(asks(play(turn, { classify: sorted('normal', { brief: 'so far', saved: 120 }) }))[0]?.brief, 'so far')
  assert.is(play(turn, { classify: sorted('normal', { saved: 120 }) }).events('turn.classified')[0]?.saved, 120)
})

test('the work order follows the turn to its end', () => {
  assert.equal(
    play(turn).orders.map(({ status, owner }) => [status, owner]),
    [
      ['queued', 'admin'],
      ['in_progress', 'director'],
      ['completed', 'director'],
    ],
  )
  const stopped = play(turn, { answer: never })
  stopped.hears(cut())
  assert.is(stopped.orders.at(-1)?.status, 'cancelled')
  assert.is(play(turn, { classify: sorted('unclear') }).orders.at(-1)?.status, 'blocked')
})

test('a turn that ends leaves no timer and no work behind', () => {
  for (const script of [{}, { validate: { pass: false } }, { answer: failing() }, { classify: sorted('unclear') }]) {
    const story = play(turn, script)
    assert.equal(story.pending, [])
    assert.equal(story.tree.timers, {})
  }
})

test('the same story is told again in the same words', () => {
  assert.equal(told({ answer: [lost, failing(), draft()] }), told({ answer: [lost, failing(), draft()] }))
})

test('words recalled from the log after a crash are withdrawn and said as an attempt of their own', () => {
  const story = play(turn, {
    answer: never,
    salvage: { text: 'half', recalled: true, model: 'double-1', usage: { in: 9, out: 2 }, cost: 0.004 },
  })
  story.hears(cut())
  assert.equal([outputOf(story)?.cost, story.usage.at(-1)?.usage], [0.004, { in: 9, out: 2 }])
  assert.equal(story.told.slice(-3), ['reply.retracted', 'reply.finished', 'turn.stopped'])
  assert.equal([finished(story)[0]?.attempt, finished(story)[0]?.message.text], [2, 'half'])
})

test('words that a crash took with it before any was kept are withdrawn', () => {
  const story = play(turn, { answer: never, salvage: { text: '', recalled: true } })
  story.hears(cut())
  assert.equal(story.told.slice(-2), ['reply.retracted', 'turn.stopped'])
})

test('asking back never takes the number of an attempt that was withdrawn', () => {
  const story = play(turn, { classify: [sorted(), sorted('unclear')], answer: never })
  story.hears(widened('m2', 'help'))
  assert.is(finished(story)[0]?.attempt, 2)
})

test.run()
