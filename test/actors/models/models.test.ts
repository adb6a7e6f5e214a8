import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createModels, type Ask, type Needs } from '../../../actors/models/models.ts'
import { pipe } from '../../../actors/models/pipe.ts'
import type { ModelEvent, Provider } from '../../../actors/models/model.ts'
import { all, eagerClock, fails, handClock, only, quiet, says, scripted, textOf, within } from './samples.ts'

const keys = { anthropicApiKey: 'a', openaiApiKey: 'o', geminiApiKey: 'g' }
const one = { anthropicApiKey: 'a' }

const ask = (wish: Partial<Ask> = {}): Ask => ({ tier: 'ceo', system: 's', messages: [{ role: 'user', text: 'hello' }], ...wish })

const run = ({ signal = quiet(), wish = {}, ...needs }: Partial<Needs> & { signal?: AbortSignal; wish?: Partial<Ask> }) =>
  within(2_000, all(createModels({ settings: keys, clock: eagerClock(), random: () => 0.5, ...needs }).stream(ask(wish), { signal })))

const claude = (...scripts: Parameters<typeof scripted> extends [string, ...infer S] ? S : never) => scripted('anthropic', ...scripts)
const gpt = () => scripted('openai', says('openai', 'gpt-6-astra', 'GPT speaks.'))
const gem = () => scripted('gemini', says('gemini', 'gemini-3.1-pro-preview', 'Gemini speaks.'))

test('the first candidate answers, and the others are not asked', async () => {
  const providers = { anthropic: claude(says('anthropic', 'claude-opus-5-5', 'Claude speaks.')), openai: gpt(), gemini: gem() }
  const events = await run({ providers })
  assert.is(textOf(events), 'Claude speaks.')
  assert.equal(only(events, 'start'), [{ t: 'start', provider: 'anthropic', model: 'claude-opus-5-5' }])
  assert.equal(
    events.slice(-2).map((event) => event.t),
    ['usage', 'end'],
  )
  assert.is(providers.openai.asked.length, 0)
  assert.is(providers.anthropic.asked[0]?.model, 'claude-opus-5-5')
  assert.is(providers.anthropic.asked[0]?.maxTokens, 8192)
})

for (const kind of ['overload', 'network', 'stall', 'truncated'] as const) {
  test(`a candidate that fails with ${kind} before a visible word is replaced at once`, async () => {
    const clock = eagerClock()
    const events = await run({ clock, providers: { anthropic: claude(fails(kind)), openai: gpt() } })
    assert.is(textOf(events), 'GPT speaks.')
    assert.equal(clock.waits, [])
    assert.is(only(events, 'start').at(-1)?.provider, 'openai')
  })
}

test('a rate limit is waited for as long as the service asks, and then asked again', async () => {
  const clock = eagerClock()
  const anthropic = claude(fails('rate', { retryAfterMs: 1_500 }), says('anthropic', 'm', 'Now.'))
  assert.is(textOf(await run({ clock, providers: { anthropic, openai: gpt() } })), 'Now.')
  assert.equal(clock.waits, [1_500])
})

test('a rate limit without a time is met with full jitter that doubles, three tries at most', async () => {
  const clock = eagerClock()
  const anthropic = claude(fails('rate'))
  const events = await run({ settings: one, clock, providers: { anthropic } })
  assert.equal(clock.waits.slice(0, 2), [250, 500])
  assert.is(anthropic.asked.length, 3)
  const fail = only(events, 'fail')[0]
  assert.is(fail?.kind, 'rate')
})

test('nobody waits half a minute for one candidate while another is free', async () => {
  const clock = eagerClock()
  const events = await run({ clock, providers: { anthropic: claude(fails('rate', { retryAfterMs: 34_400 })), openai: gpt() } })
  assert.is(textOf(events), 'GPT speaks.')
  assert.equal(clock.waits, [])
})

for (const kind of ['auth', 'badreq', 'policy'] as const) {
  test(`${kind} is never tried again, and another provider is asked`, async () => {
    const anthropic = claude(fails(kind))
    const settings = { ...keys, ceo: 'claude-opus-5-5, anthropic/claude-sonnet-5, openai/gpt-6-astra' }
    assert.is(textOf(await run({ settings, providers: { anthropic, openai: gpt() } })), 'GPT speaks.')
    assert.is(anthropic.asked.length, 1)
  })
}

test('a conversation too long for one model goes to a longer one, or fails as context', async () => {
  const prices = {
    'anthropic/short': { in: 1, out: 1, window: 1_000 },
    'openai/short': { in: 1, out: 1, window: 900 },
    'gemini/long': { in: 1, out: 1, window: 9_000 },
  }
  const providers = () => ({ anthropic: claude(fails('context')), openai: gpt(), gemini: gem() })
  const longer = providers()
  assert.is(
    textOf(await run({ settings: { ...keys, prices, ceo: 'anthropic/short,openai/short,gemini/long' }, providers: longer })),
    'Gemini speaks.',
  )
  assert.is(longer.openai.asked.length, 0)
  const none = await run({ settings: { ...keys, prices, ceo: 'anthropic/short,openai/short' }, providers: providers() })
  assert.is(only(none, 'fail')[0]?.kind, 'context')
})

test('a refusal goes to another family, and is told when all refuse', async () => {
  const refusal: ModelEvent[] = [
    { t: 'start', provider: 'anthropic', model: 'm' },
    { t: 'usage', usage: { in: 5, out: 1 } },
    { t: 'end', reason: 'refusal', raw: 'refusal' },
  ]
  assert.is(textOf(await run({ providers: { anthropic: claude(refusal), openai: gpt() } })), 'GPT speaks.')
  const all = await run({ settings: one, providers: { anthropic: claude(refusal) } })
  assert.is(only(all, 'end')[0]?.reason, 'refusal')
})

test('after a visible word a failure is passed on as partial, and nobody else is asked', async () => {
  const openai = gpt()
  const anthropic = claude([
    { t: 'start', provider: 'anthropic', model: 'm' },
    { t: 'text', d: 'Half' },
    ...fails('network', { partial: true }),
  ])
  const events = await run({ providers: { anthropic, openai } })
  assert.is(textOf(events), 'Half')
  assert.equal(
    only(events, 'fail').map(({ kind, partial }) => ({ kind, partial })),
    [{ kind: 'network', partial: true }],
  )
  assert.is(openai.asked.length, 0)
})

test('the calls of a candidate that died are never heard of', async () => {
  const dead: ModelEvent[] = [
    { t: 'start', provider: 'anthropic', model: 'm' },
    { t: 'toolReady', id: '1', name: 'delete_all', args: {} },
    ...fails('truncated'),
  ]
  const events = await run({ providers: { anthropic: claude(dead), openai: gpt() } })
  assert.equal(only(events, 'toolReady'), [])
})

test('calls without a word come through with the end', async () => {
  const calls: ModelEvent[] = [
    { t: 'start', provider: 'anthropic', model: 'm' },
    { t: 'toolReady', id: '1', name: 'look', args: {} },
    { t: 'usage', usage: { in: 1, out: 1 } },
    { t: 'end', reason: 'tool', raw: 'tool_use' },
  ]
  assert.equal(
    (await run({ providers: { anthropic: claude(calls) } })).map((event) => event.t),
    ['start', 'toolReady', 'usage', 'end'],
  )
})

test('a lone candidate that is overloaded gets a second round after a moment', async () => {
  const clock = eagerClock()
  const anthropic = claude(fails('overload'), says('anthropic', 'm', 'Better now.'))
  assert.is(textOf(await run({ settings: one, clock, providers: { anthropic } })), 'Better now.')
  assert.equal(clock.waits, [500])
})

test('when all fail, one fail tells of all, and of one that may pass', async () => {
  const events = await run({
    providers: {
      anthropic: claude(fails('auth')),
      openai: scripted('openai', fails('overload')),
      gemini: scripted('gemini', fails('badreq')),
    },
  })
  const fail = only(events, 'fail')[0]
  assert.is(fail?.kind, 'overload')
  for (const part of ['anthropic/claude-opus-5-5: auth', 'openai/gpt-6-astra: overload', 'gemini/gemini-3.1-pro-preview: badreq'])
    assert.match(fail?.message ?? '', part)
})

test('a key that is set never ends in the offline stand-in', async () => {
  const offline = scripted('offline', says('offline', 'offline-extractive', 'I would answer.'))
  const events = await run({ settings: one, providers: { anthropic: claude(fails('auth')), offline } })
  assert.is(only(events, 'fail')[0]?.kind, 'auth')
  assert.is(offline.asked.length, 0)
})

test('one who has just failed is asked last for 5 s, then 10 s, and first again after a success', async () => {
  const clock = handClock(1_000)
  const anthropic = claude(fails('overload'), fails('overload'), says('anthropic', 'm', 'Back.'))
  const models = createModels({
    settings: { ...keys, geminiApiKey: undefined },
    clock,
    random: () => 0,
    providers: { anthropic, openai: gpt() },
  })
  const speak = async () => textOf(await within(2_000, all(models.stream(ask(), { signal: quiet() }))))
  assert.is(await speak(), 'GPT speaks.')
  assert.is(await speak(), 'GPT speaks.')
  assert.is(anthropic.asked.length, 1, 'rests')
  await clock.pass(5_001)
  assert.is(await speak(), 'GPT speaks.')
  assert.is(anthropic.asked.length, 2, 'was tried and failed again')
  await clock.pass(5_001)
  await speak()
  assert.is(anthropic.asked.length, 2, 'rests twice as long')
  await clock.pass(5_001)
  assert.is(await speak(), 'Back.')
  assert.is(await speak(), 'Back.')
})

test('resting ones are asked all the same when nobody else is left', async () => {
  const clock = handClock(1_000)
  const anthropic = claude(fails('auth'), says('anthropic', 'm', 'Back.'))
  const models = createModels({ settings: one, clock, random: () => 0, providers: { anthropic } })
  await within(2_000, all(models.stream(ask(), { signal: quiet() })))
  assert.is(textOf(await within(2_000, all(models.stream(ask(), { signal: quiet() })))), 'Back.')
})

test('an abort while it waits for a rate limit ends at once', async () => {
  const clock = handClock()
  const stop = new AbortController()
  const models = createModels({ settings: one, clock, providers: { anthropic: claude(fails('rate', { retryAfterMs: 10_000 })) } })
  const events = all(models.stream(ask(), { signal: stop.signal }))
  await clock.pass(100)
  stop.abort()
  assert.is(only(await within(500, events), 'fail')[0]?.kind, 'abort')
})

test('a stream that dies without telling its usage is settled by a count, marked estimated', async () => {
  const text = 'The quick brown fox jumps over the lazy dog. '.repeat(20)
  const anthropic = claude([
    { t: 'start', provider: 'anthropic', model: 'm' },
    { t: 'text', d: text },
    ...fails('network', { partial: true }),
  ])
  const events = await run({ settings: one, providers: { anthropic } })
  const usage = only(events, 'usage')[0]
  assert.is(usage?.usage.estimated, true)
  assert.ok((usage?.usage.out ?? 0) > 180 && (usage?.usage.out ?? 0) < 300, String(usage?.usage.out))
  assert.ok((usage?.usage.in ?? 0) > 0)
  assert.ok(typeof usage?.cost === 'number' && usage.cost > 0)
})

test('what a service told before it died is kept, and only the rest is counted', async () => {
  const anthropic = claude([
    { t: 'start', provider: 'anthropic', model: 'm' },
    { t: 'usage', usage: { in: 900, out: 1 } },
    { t: 'text', d: 'four words and more' },
    ...fails('network', { partial: true }),
  ])
  const usage = only(await run({ settings: one, providers: { anthropic } }), 'usage')[0]?.usage
  assert.is(usage?.in, 900)
  assert.ok((usage?.out ?? 0) > 1)
  assert.is(usage?.estimated, true)
})

test('a request that was refused at the door costs nothing, one that was heard and died is billed with the answer', async () => {
  const refused = only(await run({ providers: { anthropic: claude(fails('overload')), openai: gpt() } }), 'usage')[0]
  assert.equal(refused?.usage, { in: 10, out: 5 })
  assert.is(refused?.cost, (10 * 10 + 5 * 50) / 1e6)
  const heard = claude([
    { t: 'start', provider: 'anthropic', model: 'm' },
    { t: 'think', d: 'hm' },
    { t: 'usage', usage: { in: 100, out: 40 } },
    ...fails('stall'),
  ])
  const both = only(await run({ providers: { anthropic: heard, openai: gpt() } }), 'usage')[0]
  assert.is(both?.usage.in, 110)
  assert.is(both?.usage.out, 45)
})

test('a model without a published price costs unknown, and unknown is not zero', async () => {
  const providers = { anthropic: claude(says('anthropic', 'claude-sonnet-5-5', 'Hi.')) }
  const events = await run({ settings: one, wish: { tier: 'director' }, providers })
  assert.is(only(events, 'usage')[0]?.cost, 'unknown')
  const own = await run({
    settings: { ...one, prices: { 'anthropic/claude-sonnet-5-5': { in: 3, out: 15 } } },
    wish: { tier: 'director' },
    providers: { anthropic: claude(says('anthropic', 'm', 'Hi.')) },
  })
  assert.is(only(own, 'usage')[0]?.cost, (10 * 3 + 5 * 15) / 1e6)
})

test('a provider that throws against its promise is a fault like any other', async () => {
  const broken: Provider = {
    name: 'anthropic',
    // biome-ignore lint/correctness/useYield: it throws before it could
    async *stream() {
      throw new Error('a bug')
    },
  }
  assert.is(textOf(await run({ providers: { anthropic: broken, openai: gpt() } })), 'GPT speaks.')
})

test('one that throws after a visible word is partial, and nobody speaks over it', async () => {
  const broken: Provider = {
    name: 'anthropic',
    async *stream() {
      yield { t: 'start', provider: 'anthropic', model: 'm' }
      yield { t: 'text', d: 'Half' }
      throw new Error('a bug')
    },
  }
  const events = await run({ providers: { anthropic: broken, openai: gpt() } })
  assert.is(textOf(events), 'Half')
  assert.is(only(events, 'fail')[0]?.partial, true)
})

test('a tier without candidates says so', async () => {
  const models = createModels({ settings: one })
  assert.is(models.has('admin'), false)
  const [, fail] = await all(models.stream(ask({ tier: 'admin' }), { signal: quiet() }))
  assert.equal(fail, { t: 'fail', kind: 'badreq', message: 'no model is set for admin', partial: false })
})

test('limits follow the tier unless the ask has its own', async () => {
  const asked = async (wish: Partial<Ask>) => {
    const anthropic = claude(says('anthropic', 'm', 'Hi.'))
    await run({ settings: one, wish, providers: { anthropic } })
    return anthropic.asked[0]?.maxTokens
  }
  assert.equal(
    [
      await asked({ tier: 'ceo' }),
      await asked({ tier: 'director' }),
      await asked({ tier: 'intern' }),
      await asked({ tier: 'intern', maxTokens: 99 }),
    ],
    [8192, 8192, 4096, 99],
  )
})

/** A provider whose first word comes after `ms` of the hand-moved clock, and which notices an abort. */
function slow(name: string, ms: number[], clock: ReturnType<typeof handClock>): Provider & { aborted: number } {
  let n = 0
  const self = {
    name,
    aborted: 0,
    async *stream(request: { model: string }, { signal }: { signal: AbortSignal }): AsyncGenerator<ModelEvent> {
      signal.addEventListener('abort', () => void self.aborted++, { once: true })
      const wait = ms[n++] ?? ms.at(-1) ?? 0
      yield { t: 'start', provider: name, model: request.model }
      if (wait) await new Promise<void>((resolve) => void clock.after(wait, resolve))
      yield { t: 'text', d: `${name} speaks.` }
      yield { t: 'usage', usage: { in: 10, out: 5 } }
      yield { t: 'end', reason: 'stop', raw: 'stop' }
    },
  }
  return self
}

test('a hedge asks a second model when the first is slower than its p95; the first word wins and the loser is aborted', async () => {
  const clock = handClock()
  const anthropic = slow('anthropic', [...Array(20).fill(100), ...Array(20).fill(40), 9_000, 9_000, 9_000], clock)
  const openai = slow('openai', [50], clock)
  const models = createModels({ settings: { ...keys, geminiApiKey: undefined, hedge: true }, clock, providers: { anthropic, openai } })
  const speak = () => all(models.stream(ask(), { signal: quiet() }))
  for (let i = 0; i < 40; i++) {
    const events = speak()
    await clock.pass(100)
    assert.is(textOf(await within(1_000, events)), 'anthropic speaks.')
  }
  const before = anthropic.aborted
  const hedged = speak()
  await clock.pass(100) // its 95th percentile
  await clock.pass(50)
  const events = await within(1_000, hedged)
  assert.is(textOf(events), 'openai speaks.')
  assert.equal(only(events, 'start'), [{ t: 'start', provider: 'openai', model: 'gpt-6-astra' }])
  assert.ok(anthropic.aborted > before)
  assert.is(only(events, 'usage')[0]?.usage.estimated, true, 'the loser was heard and is billed by estimate')

  const second = speak()
  await clock.pass(100)
  await clock.pass(50)
  assert.is(textOf(await within(1_000, second)), 'openai speaks.', 'two of 42 calls are within 5 %')
  const third = speak()
  await clock.pass(150)
  await clock.pass(9_000)
  assert.is(textOf(await within(1_000, third)), 'anthropic speaks.', 'three of 43 calls would be more than 5 %')
})

test('without hedging a model that stays silent for eight seconds gets a rival all the same, and one that is always slow does not', async () => {
  const clock = handClock()
  const anthropic = slow('anthropic', [...Array(30).fill(100), 25_000], clock)
  const openai = slow('openai', [50], clock)
  const models = createModels({ settings: { ...keys, geminiApiKey: undefined }, clock, providers: { anthropic, openai } })
  const speak = () => all(models.stream(ask(), { signal: quiet() }))
  for (let i = 0; i < 30; i++) {
    const events = speak()
    await clock.pass(100)
    await within(1_000, events)
    assert.is(clock.waiting(), 0, 'nobody waits for a rival any more')
  }
  const silent = speak()
  await clock.pass(8_000)
  await clock.pass(50)
  assert.is(textOf(await within(1_000, silent)), 'openai speaks.')

  const thinker = slow('anthropic', [12_000], clock)
  const patient = createModels({ settings: { ...keys, geminiApiKey: undefined }, clock, providers: { anthropic: thinker, openai } })
  for (let i = 0; i < 41; i++) {
    const events = all(patient.stream(ask(), { signal: quiet() }))
    await clock.pass(12_000)
    const text = textOf(await within(1_000, events))
    if (i === 40) assert.is(text, 'anthropic speaks.')
  }
})

test('what is told before it is asked for waits, and its end stands behind it', async () => {
  let begun = false
  const events = pipe<number>(async ({ tell }) => {
    begun = true
    for (const n of [1, 2, 3]) tell(n)
  })
  assert.is(begun, false)
  assert.equal(await within(1_000, all(events)), [1, 2, 3])
  let end = () => {}
  const slow = pipe<number>(({ tell }) => {
    tell(1)
    return new Promise((resolve) => {
      end = resolve
    })
  })[Symbol.asyncIterator]()
  assert.is((await slow.next()).value, 1)
  const last = slow.next()
  end()
  assert.is((await within(1_000, last)).done, true)
  assert.is((await within(1_000, slow.next())).done, true)
})

test('what the teller throws the reader gets behind what was told, whether it waits or comes later', async () => {
  for (const waits of [true, false]) {
    let fall = (_: Error) => {}
    const events = pipe<number>(({ tell }) => {
      tell(1)
      return new Promise((_, reject) => {
        fall = reject
      })
    })[Symbol.asyncIterator]()
    assert.is((await events.next()).value, 1)
    const look = () => events.next().catch((error: Error) => error.message)
    const waiting = waits ? look() : undefined
    fall(new Error('it broke'))
    await new Promise(setImmediate)
    assert.is((await within(1_000, waiting ?? look())) as string, 'it broke')
    assert.is((await within(1_000, events.next())).done, true)
  }
})

test('whoever stops reading in the middle ends the call', async () => {
  let heard: AbortSignal | undefined
  const anthropic: Provider = {
    name: 'anthropic',
    async *stream(_, { signal }) {
      heard = signal
      yield { t: 'start', provider: 'anthropic', model: 'm' }
      yield { t: 'text', d: 'word ' }
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
    },
  }
  const models = createModels({ settings: keys, clock: handClock(), providers: { anthropic } })
  await within(
    1_000,
    (async () => {
      for await (const event of models.stream(ask(), { signal: quiet() })) if (event.t === 'text') break
    })(),
  )
  assert.is(heard?.aborted, true)
})

test('a provider that fails at being ended harms nobody', async () => {
  const events: ModelEvent[] = [
    { t: 'start', provider: 'anthropic', model: 'm' },
    { t: 'text', d: 'word ' },
  ]
  let ended = 0
  const iterator: AsyncIterableIterator<ModelEvent> = {
    [Symbol.asyncIterator]: () => iterator,
    async next() {
      const value = events.shift()
      return value ? { value } : { done: true, value: undefined }
    },
    async return() {
      ended++
      throw new Error('the connection is gone')
    },
  }
  const anthropic: Provider = { name: 'anthropic', stream: () => iterator as AsyncGenerator<ModelEvent> }
  const models = createModels({ settings: keys, clock: handClock(), providers: { anthropic } })
  const unhandled: unknown[] = []
  const note = (error: unknown) => unhandled.push(error)
  process.on('unhandledRejection', note)
  for await (const event of models.stream(ask(), { signal: quiet() })) if (event.t === 'text') break
  await new Promise((resolve) => setImmediate(resolve))
  process.off('unhandledRejection', note)
  assert.equal([ended, unhandled], [1, []])
})

test('describe tells whom each tier asks, in order', () => {
  const models = createModels({ settings: { ...keys, ollamaBaseUrl: 'http://127.0.0.1:11434' } })
  assert.equal(
    models
      .describe()
      .filter(({ tier }) => tier === 'intern')
      .map(({ provider, model }) => `${provider}/${model}`),
    ['anthropic/claude-haiku-5-5', 'openai/gpt-6-luna', 'gemini/gemini-3.8-flash', 'ollama/qwen3:8b'],
  )
  assert.ok(models.count('hello world') >= 2)
})

test.run()
