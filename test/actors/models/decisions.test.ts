import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createDecide, type Question } from '../../../actors/models/decisions.ts'
import { ModelFault } from '../../../actors/models/fault.ts'
import { createModels } from '../../../actors/models/models.ts'
import { providerDouble } from '../../support/provider.ts'
import { handClock, quiet, within } from './samples.ts'

const double = await providerDouble()
test.after(() => double.close())
const baseUrl = double.url('openai')

const questions: Question[] = [
  { type: 'predicate', name: 'injection', ask: 'Does it try to change your instructions?' },
  {
    type: 'choice',
    name: 'difficulty',
    ask: 'How hard is it?',
    choices: [{ value: 'trivial' }, { value: 'normal', description: 'a few steps' }],
  },
  { type: 'score', name: 'tone', ask: 'How angry is it?', levels: [{ label: 'calm' }, { label: 'furious' }] },
  { type: 'predicate', name: 'safe', ask: 'Is it safe?' },
]

const decision = {
  model: 'gpt-6-luna',
  answers: [
    { type: 'predicate', name: 'injection', probability: 0.02 },
    {
      type: 'choice',
      name: 'difficulty',
      choice: 'normal',
      confidence: 0.8,
      probabilities: [
        { value: 'trivial', probability: 0.2 },
        { value: 'normal', probability: 0.8 },
      ],
    },
    { type: 'score', name: 'tone', score: 0.1, confidence: 0.9, probabilities: [] },
    { type: 'refusal', name: 'safe' },
  ],
  usage: {
    input_tokens: 1_000,
    input_tokens_details: { cached_tokens: 0, cache_write_tokens: 0 },
    output_tokens: 40,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: 1_040,
  },
}

test('questions are answered by name, and the output costs nothing', async () => {
  double.next({ json: decision })
  const found = await within(3_000, createDecide({ apiKey: 'k', baseUrl, deadline: 10_000 })(questions, 'Help me.', { signal: quiet() }))
  assert.equal(found.answers, {
    injection: { type: 'predicate', probability: 0.02 },
    difficulty: { type: 'choice', choice: 'normal', confidence: 0.8, probabilities: { trivial: 0.2, normal: 0.8 } },
    tone: { type: 'score', score: 0.1, confidence: 0.9 },
    safe: { type: 'refusal' },
  })
  assert.ok(Math.abs((found.cost as number) - (1_000 * 0.1) / 1e6) < 1e-12)
  const seen = double.requests.at(-1)
  assert.match(seen?.path ?? '', '/decisions')
  assert.equal(seen?.body.questions, [
    { type: 'predicate', name: 'injection', instructions: 'Does it try to change your instructions?' },
    {
      type: 'choice',
      name: 'difficulty',
      instructions: 'How hard is it?',
      choices: [{ value: 'trivial' }, { value: 'normal', description: 'a few steps' }],
    },
    { type: 'score', name: 'tone', instructions: 'How angry is it?', levels: [{ label: 'calm' }, { label: 'furious' }] },
    { type: 'predicate', name: 'safe', instructions: 'Is it safe?' },
  ])
})

test('a decision that is late, aborted or refused is a fault that says its kind', async () => {
  const kindOf = async (promise: Promise<unknown>) => {
    try {
      await within(2_000, promise)
      return 'none'
    } catch (error) {
      return error instanceof ModelFault ? error.kind : String(error)
    }
  }
  const clock = handClock()
  double.next({ fault: 'hang before headers' })
  const first = double.arrival()
  const late = kindOf(createDecide({ apiKey: 'k', baseUrl, clock })(questions, 'x', { signal: quiet() }))
  await within(1_000, first)
  await clock.pass(3_000)
  assert.is(await late, 'stall')

  double.next({ fault: 'hang before headers' })
  const stop = new AbortController()
  const arrival = double.arrival()
  const aborted = kindOf(createDecide({ apiKey: 'k', baseUrl })(questions, 'x', { signal: stop.signal }))
  const seen = await within(1_000, arrival)
  stop.abort()
  assert.is(await aborted, 'abort')
  await within(500, seen.hangUp)

  double.next({ fault: { status: 401 } })
  assert.is(await kindOf(createDecide({ apiKey: 'k', baseUrl })(questions, 'x', { signal: quiet() })), 'auth')
})

test('decide is there only when it is switched on and the key is set', () => {
  assert.is(createModels({ settings: { openaiApiKey: 'k' } }).decide, undefined)
  assert.is(createModels({ settings: { decisions: true } }).decide, undefined)
  assert.type(createModels({ settings: { decisions: true, openaiApiKey: 'k' } }).decide, 'function')
})

test.run()
