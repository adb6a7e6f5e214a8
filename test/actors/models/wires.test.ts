import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createModels } from '../../../actors/models/models.ts'
import type { ModelSettings } from '../../../actors/models/tiers.ts'
import { providerDouble, wires } from '../../support/provider.ts'
import { all, eagerClock, only, quiet, textOf, within } from './samples.ts'

const double = await providerDouble({ answer: ({ wire, model }) => ({ text: `${wire} as ${model}` }) })
test.after(() => double.close())

const settings: ModelSettings = {
  anthropicApiKey: 'a-key',
  anthropicBaseUrl: double.url('anthropic'),
  openaiApiKey: 'o-key',
  openaiBaseUrl: double.url('openai'),
  geminiApiKey: 'g-key',
  geminiBaseUrl: double.url('gemini'),
  chatBaseUrl: double.url('chat'),
  chatApiKey: 'c-key',
  chatModel: 'llama',
  ollamaBaseUrl: double.url('ollama'),
  ceo: 'claude-opus-5-5,gpt-6-astra,gemini-3.1-pro-preview,chat/llama,ollama/qwen3:8b',
}

const speak = (wish: ModelSettings = {}, clock = eagerClock()) =>
  within(
    5_000,
    all(
      createModels({ settings: { ...settings, ...wish }, clock }).stream(
        { tier: 'ceo', system: 's', messages: [{ role: 'user', text: 'hi' }] },
        { signal: quiet() },
      ),
    ),
  )

/** The eager clock would end every wait at once, also the watchdog's. */
const patient = () => ({
  now: () => performance.now(),
  after: (ms: number, then: () => void) => {
    const t = setTimeout(then, Math.min(ms, 2_000))
    return () => clearTimeout(t)
  },
  waits: [],
})

test('from settings alone the router walks all five services, in order, until one answers', async () => {
  for (const [i, wire] of wires.entries()) {
    const order = ['anthropic', 'openai', 'gemini', 'chat', 'ollama'] as const
    const answering = order[i] ?? wire
    for (const before of order.slice(0, i)) double.next({ fault: { status: 529 } }, before)
    const events = await speak({}, patient())
    assert.match(textOf(events), new RegExp(`^${answering} as `))
    assert.equal(
      only(events, 'start').map(({ provider }) => provider),
      [answering],
    )
    assert.is(only(events, 'end')[0]?.reason, 'stop')
  }
})

test('each service sees its own key, in its own header', async () => {
  const key = { anthropic: 'authorization', openai: 'authorization', chat: 'authorization', gemini: 'x-goog-api-key' } as const
  for (const wire of ['anthropic', 'openai', 'chat', 'gemini'] as const) {
    const seen = double.requests.findLast((request) => request.wire === wire)
    assert.match(seen?.headers[key[wire]] ?? '', `${wire[0]}-key`)
  }
})

test('who can is given the beginning of an answer that broke off, each in its own way, and the others answer anew', async () => {
  const beginning = 'The sky is blue because its air scatters '
  const ways: [wish: ModelSettings, isGivenIt: boolean, more: object, last: object][] = [
    [{ ceo: 'chat/llama,', chatContinuation: 'prefix' }, true, {}, { prefix: true }],
    [
      { ceo: 'chat/llama,', chatContinuation: 'continue_final_message' },
      true,
      { continue_final_message: true, add_generation_prompt: false },
      {},
    ],
    [{ ceo: 'chat/llama,', chatContinuation: 'assistant' }, true, {}, {}],
    [{ ceo: 'ollama/qwen3:8b,', ollamaContinues: true }, true, {}, {}],
    [{ ceo: 'chat/llama,' }, false, {}, {}],
    [{ ceo: 'ollama/qwen3:8b,' }, false, {}, {}],
    [{ ceo: 'gpt-6-astra,', openaiApi: 'chat', chatContinuation: 'prefix' }, false, {}, {}],
  ]
  for (const [wish, isGivenIt, more, last] of ways) {
    double.next({ text: `${isGivenIt ? beginning : ''}the light.` })
    const models = createModels({ settings: { ...settings, ...wish }, clock: patient() })
    const messages = [{ role: 'user' as const, text: 'Why?' }]
    const events = await within(5_000, all(models.stream({ tier: 'ceo', system: 's', messages, beginning }, { signal: quiet() })))
    assert.is(textOf(events), 'the light.', 'what it says once more is left out')
    assert.is(only(events, 'start')[0]?.continues, isGivenIt ? true : undefined)
    const { messages: sent, ...rest } = double.requests.at(-1)?.body as { messages: object[] }
    const said = [
      { role: 'system', content: 's' },
      { role: 'user', content: 'Why?' },
    ]
    assert.equal(sent, isGivenIt ? [...said, { role: 'assistant', content: beginning, ...last }] : said)
    for (const name of ['continue_final_message', 'add_generation_prompt'] as const)
      assert.is((rest as Record<string, unknown>)[name], (more as Record<string, unknown>)[name])
    // Without a beginning nothing is different.
    await within(5_000, all(models.stream({ tier: 'ceo', system: 's', messages }, { signal: quiet() })))
    const plain = double.requests.at(-1)?.body as Record<string, unknown>
    assert.equal([plain.messages, plain.continue_final_message, plain.add_generation_prompt], [said, undefined, undefined])
  }
})

test('whoever cannot go on with a beginning after all is asked once more without it, and nobody is told that it failed', async () => {
  const beginning = 'The sky is blue because its air scatters '
  const anew: Parameters<typeof double.next>[0][] = [
    { fault: { status: 400 } },
    { fault: { status: 400, body: { error: { code: 'context_length_exceeded', message: 'This is too long.' } } } },
    { think: 'Let me think.', text: 'of light' },
    { text: [], end: 'length' },
    { text: [], end: 'filter' },
  ]
  for (const script of anew) {
    double.next(script, 'chat')
    double.next({ think: 'Hm.', text: 'Light scatters.' }, 'chat')
    const lines: string[] = []
    const models = createModels({
      settings: { ...settings, ceo: 'chat/llama,', chatContinuation: 'assistant' },
      clock: patient(),
      log: ({ event }) => lines.push(event),
    })
    assert.is(models.continues('ceo'), true)
    const messages = [{ role: 'user' as const, text: 'Why?' }]
    const before = double.requests.length
    const events = await within(5_000, all(models.stream({ tier: 'ceo', system: 's', messages, beginning }, { signal: quiet() })))
    assert.equal([textOf(events), only(events, 'end')[0]?.reason, lines], ['Light scatters.', 'stop', ['model.anew']])
    assert.is(only(events, 'start').at(-1)?.continues, undefined)
    const sent = double.requests.slice(before).map(({ body }) => (body.messages as { role: string }[]).at(-1)?.role)
    assert.equal(sent, ['assistant', 'user'])
  }
  assert.is(createModels({ settings, clock: patient() }).continues('ceo'), false)
  // Once a word stands behind it, it is gone on with.
  double.next({ text: 'of light', end: 'length' }, 'chat')
  const models = createModels({ settings: { ...settings, ceo: 'chat/llama,', chatContinuation: 'assistant' }, clock: patient() })
  const events = await within(5_000, all(models.stream({ tier: 'ceo', system: 's', messages: [], beginning }, { signal: quiet() })))
  assert.equal([textOf(events), only(events, 'end')[0]?.reason], ['of light', 'length'])
})

test('OPENAI_API=chat speaks chat completions to the server behind OPENAI_BASE_URL', async () => {
  const events = await speak({ ceo: 'gpt-6-astra,', openaiApi: 'chat' }, patient())
  assert.is(textOf(events), 'chat as gpt-6-astra')
  assert.is(double.requests.at(-1)?.path, '/openai/v1/chat/completions')
  assert.is(only(events, 'start')[0]?.provider, 'openai')
})

test('usage and cost of the real wire come out at the end', async () => {
  double.next({ usage: { in: 1_000, out: 100, cacheRead: 400 } }, 'openai')
  const usage = only(await speak({ ceo: 'gpt-6-astra,' }, patient()), 'usage')
  assert.equal(usage[0]?.usage, { in: 1_000, out: 100, cacheRead: 400 })
  assert.ok(Math.abs((usage[0]?.cost as number) - (600 * 10 + 400 * 1 + 100 * 50) / 1e6) < 1e-12)
})

test('a service that never tells its usage is billed by estimate', async () => {
  for (const [wire, ceo] of [
    ['anthropic', 'claude-opus-5-5,'],
    ['openai', 'gpt-6-astra,'],
    ['chat', 'chat/llama,'],
    ['gemini', 'gemini-3.8-flash,'],
  ] as const) {
    double.next({ text: 'some words that were really said', usage: false }, wire)
    const [usage] = only(await speak({ ceo }, patient()), 'usage')
    assert.is(usage?.usage.estimated, true, `${wire}: ${JSON.stringify(usage)}`)
    assert.ok((usage?.usage.out ?? 0) >= 6, wire)
  }
})

test.run()
