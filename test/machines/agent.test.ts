import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type AgentOutput, agent } from '../../machines/agent.ts'
import { entries } from '../../machines/entry.ts'
import type { AnswerAsk } from '../../machines/slot.ts'
import { draft } from '../support/samples.ts'
import { type Script, failing, later, lost, never, play } from '../support/story.ts'

const call = { id: 'k1', name: 'search', args: { for: 'sky' } }
const wanting = (text = '') => draft(text, { reason: 'tool', calls: [call] })

/** What an agent handed on at the end. */
function outputOf(script: Script): AgentOutput {
  const { tree } = play(agent, script)
  return (tree.actors.root as { output: unknown }).output as AgentOutput
}

test('an answer is handed on with what it cost', () => {
  const output = outputOf({ answer: draft('Rayleigh.') })
  assert.is(output.outcome, 'answered')
  assert.is(output.outcome === 'answered' && output.draft.text, 'Rayleigh.')
  assert.is(output.cost, 0.01)
})

test('tools are consulted and the answer is written with their results', () => {
  const story = play(agent, { answer: [wanting(), draft('It is blue.')] })
  const [, second] = story.calls.filter(({ src }) => src === 'answer')
  assert.equal((second?.input as AnswerAsk).rounds, [{ calls: [call], results: [{ id: 'k1', name: 'search', text: 'found' }] }])
  assert.equal(
    story.events('agent.status').map(({ status }) => status),
    ['writing', 'consulting', 'writing'],
  )
})

test('every round of tools is paid for, not only the last', () => {
  const output = outputOf({ answer: [wanting(), wanting(), draft('It is blue.')] })
  assert.equal(output.usage, { in: 30, out: 15 })
  assert.is(Number(output.cost).toFixed(2), '0.03')
})

test('rounds before a failure are paid for too', () => {
  const output = outputOf({ answer: [wanting(), failing('overloaded')] })
  assert.is(output.outcome, 'fault')
  assert.equal(output.usage, { in: 10, out: 5 })
})

test('one price that nobody knows makes the sum unknown', () => {
  assert.is(outputOf({ answer: [draft('', { calls: [call], cost: 'unknown' }), draft()] }).cost, 'unknown')
})

test('a tool that fails is told to the model, which goes on without it', () => {
  const story = play(agent, { answer: [wanting(), draft()], consult: failing('hung') })
  const [, second] = story.calls.filter(({ src }) => src === 'answer')
  assert.equal((second?.input as AnswerAsk).rounds[0]?.results, [
    { id: 'k1', name: 'search', text: 'The tool failed: it is hung', failed: true },
  ])
  assert.is(story.state, 'answered')
})

test('after five rounds of tools the answer must do without', () => {
  const story = play(agent, { answer: wanting('So far.') })
  assert.is(story.calls.filter(({ src }) => src === 'consult').length, 5)
  assert.is(story.asked.length, 6)
  assert.is(story.state, 'answered')
})

test('a model that declines hands on a poor draft', () => {
  for (const reason of ['refusal', 'filter'] as const) {
    const output = outputOf({ answer: draft('I cannot.', { reason }) })
    assert.is(output.outcome === 'poor' && output.why, `the model declined (${reason})`)
  }
})

test('an empty answer is poor, and a short one to a long question', () => {
  assert.is(outputOf({ answer: draft('  ') }).outcome, 'poor')
  assert.is(outputOf({ answer: draft('5') }).outcome, 'poor')
})

test('a short answer to a short question is an answer', () => {
  const input = { turn: 't1', attempt: 1, tier: 'intern', messages: ['m1'], text: '2+3?' }
  assert.is(play(agent, { answer: draft('5') }, { input }).state, 'answered')
})

test('a failed call ends as a fault that says its kind', () => {
  const output = outputOf({ answer: failing('overloaded') })
  assert.equal(
    { ...output, usage: 0 },
    { outcome: 'fault', kind: 'overloaded', why: 'it is overloaded', hasConsulted: false, usage: 0, cost: 0 },
  )
})

test('a fault that says nothing is a fault all the same', () => {
  const story = play(agent, { answer: never })
  story.fails('answer', null)
  assert.equal((story.tree.actors.root as { output?: AgentOutput }).output?.outcome, 'fault')
})

test('work whose node is gone says so', () => {
  const output = outputOf({ answer: lost })
  assert.is(output.outcome === 'fault' && output.kind, 'lost')
})

test('every call of a model leaves a usage row', () => {
  const story = play(agent, { answer: [wanting(), later(100, draft())] })
  story.waits(100)
  assert.equal(
    story.usage.map(({ agent, model, ok }) => [agent, model, ok]),
    [
      ['director', 'double-1', true],
      ['director', 'double-1', true],
    ],
  )
})

test('entries are names and types, and do nothing where they are called', () => {
  assert.is(entries.recordUsage(undefined, {} as never), undefined)
  assert.is(entries.recordOrder(undefined, {} as never), undefined)
})

test.run()
