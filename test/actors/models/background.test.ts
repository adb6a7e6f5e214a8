import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Ticket, createModels } from '../../../actors/models/models.ts'
import { openaiModel } from '../../../actors/models/model.openai.ts'
import { providerDouble } from '../../support/provider.ts'
import { until } from '../../support/until.ts'
import { all, only, quiet, tell, textOf, within } from './samples.ts'

const double = await providerDouble()
test.after(() => double.close())
test.after.each(() => double.forget())

const place = { apiKey: 'o-key', baseUrl: double.url('openai') }
const model = openaiModel({ ...place, background: true })
const created = () => double.requests.filter(({ method, path }) => method === 'POST' && path.endsWith('/responses')).length

test('an answer in the background has a ticket, by which it is read once more from its first word', async () => {
  double.next({ text: ['The sky ', 'is ', 'blue.'] })
  const first = await tell(model)
  const ticket = only(first, 'start')[0]?.ticket as string
  assert.ok(ticket)
  const before = created()
  // Whoever reads on need not write in the background itself.
  const again = await tell(openaiModel(place), { ticket })
  assert.is(textOf(again), 'The sky is blue.')
  assert.equal(only(again, 'usage'), only(first, 'usage'))
  assert.is(only(again, 'end').length, 1)
  assert.is(created(), before, 'nothing was bought')
})

test('a line that breaks is taken up where it broke', async () => {
  double.next({ text: ['one ', 'two ', 'three ', 'four ', 'five'], fault: 'cut', pace: 2 })
  const before = created()
  const events = await tell(model)
  assert.is(textOf(events), 'one two three four five')
  assert.is(only(events, 'start').length, 1)
  assert.is(only(events, 'end').length, 1)
  assert.is(created(), before + 1)
  assert.match(double.requests.at(-1)?.path ?? '', /starting_after=2/)
})

test('without background an answer has no ticket, and OpenAI keeps nothing', async () => {
  double.next({ text: 'hello' })
  const [start] = await tell(openaiModel(place))
  assert.equal(start, { t: 'start', provider: 'openai', model: 'test-model', requestId: 'req_double' })
  assert.is(double.requests.at(-1)?.body.store, false)
  assert.is(double.requests.at(-1)?.body.background, undefined)
})

test('a ticket that is unknown there is a fault, and nobody else is asked', async () => {
  const models = createModels({ settings: { openaiApiKey: 'k', openaiBaseUrl: double.url('openai'), ceo: 'gpt-6-astra,ollama/qwen3:8b' } })
  const ticket: Ticket = { provider: 'openai', model: 'gpt-6-astra', id: 'resp_gone' }
  const before = double.requests.length
  const events = await within(5_000, all(models.stream({ tier: 'ceo', system: '', messages: [], ticket }, { signal: quiet() })))
  assert.is(only(events, 'fail').length, 1)
  assert.is(double.requests.length, before + 1)
})

test('a ticket of a service that cannot read on is a fault', async () => {
  const models = createModels({ settings: { ceo: 'ollama/qwen3:8b' } })
  const ticket: Ticket = { provider: 'ollama', model: 'qwen3:8b', id: 'x' }
  const events = await within(5_000, all(models.stream({ tier: 'ceo', system: '', messages: [], ticket }, { signal: quiet() })))
  assert.is(only(events, 'fail')[0]?.kind, 'badreq')
})

test('an answer that nobody wants any more is ended there', async () => {
  double.next({ text: ['one ', 'two ', 'three '], pace: 50 })
  const models = createModels({
    settings: { openaiApiKey: 'k', openaiBaseUrl: double.url('openai'), openaiBackground: true, ceo: 'gpt-6-astra' },
  })
  const unwanted = new AbortController()
  let id = ''
  for await (const event of models.stream(
    { tier: 'ceo', system: '', messages: [{ role: 'user', text: 'hi' }] },
    { signal: unwanted.signal },
  )) {
    if (event.t === 'start') id = event.ticket as string
    if (event.t === 'text') unwanted.abort()
  }
  assert.is(double.isCancelled(id), false, 'whoever stops it decides')
  models.cancel({ provider: 'openai', model: 'gpt-6-astra', id })
  await until(() => double.isCancelled(id), 'it was cancelled')
})

test.run()
