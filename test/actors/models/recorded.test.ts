import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { ModelEvent } from '../../../actors/models/model.ts'
import { faultOf } from '../../../actors/models/fault.ts'
import { inReadsOf, providerDouble, type Wire, wires } from '../../support/provider.ts'
import { fixture, recording, recordings } from './recorded.ts'
import { adapters, only, request, tell, textOf } from './samples.ts'

const double = await providerDouble()
test.after(() => double.close())

const expected = JSON.parse(fixture('expected.json')) as Record<string, unknown>

async function replay(wire: Wire, file: string, bytes: number): Promise<ModelEvent[]> {
  double.next({ recorded: recording(wire, file) }, wire)
  return tell(adapters[wire]({ baseUrl: double.url(wire), fetch: inReadsOf(bytes) }))
}

/** What a stream came to, small enough to be read in expected.json. */
function gist(events: ModelEvent[]) {
  const last = events.at(-1)
  return {
    text: textOf(events).slice(0, 60),
    length: textOf(events).length,
    thought: only(events, 'think')
      .map((event) => event.d)
      .join('').length,
    tools: only(events, 'toolReady').map(({ id, name, args, broken }) => ({
      id,
      name,
      ...(broken === undefined ? { args } : { broken: broken.length }),
    })),
    cites: only(events, 'cite').map(({ citation }) => citation.title),
    usage: only(events, 'usage').at(-1)?.usage ?? null,
    last: last?.t === 'end' ? `${last.reason} (${last.raw})` : last?.t === 'fail' ? `fail ${last.kind}` : 'nothing',
    kept: last?.t === 'end' ? (last.opaque?.items.length ?? 0) : 0,
  }
}

for (const wire of wires) {
  for (const file of recordings(wire)) {
    test(`${wire}: ${file} gives the same events in reads of 1, 97 and 4,096 bytes`, async () => {
      const whole = await replay(wire, file, 4_096)
      assert.equal(gist(whole), expected[`${wire}/${file}`])
      assert.equal(await replay(wire, file, 97), whole)
      assert.equal(await replay(wire, file, 1), whole)
      assert.is(whole.filter((event) => event.t === 'start').length, 1)
      assert.is(whole.filter((event) => event.t === 'end' || event.t === 'fail').length, 1)
    })
  }
}

test('a recorded stream whose first line is broken fails cleanly and says nothing', async () => {
  const events = await replay('openai', 'parallel-tool-call-wrapper.1.chunks.txt', 97)
  assert.equal(
    events.map((event) => event.t),
    ['start', 'fail'],
  )
})

test('a tool call that ran out of tokens is handed on as broken, with what came', async () => {
  const events = await replay('anthropic', 'sdk-incomplete-partial-json.sse', 97)
  const [call] = only(events, 'toolReady')
  assert.is(call?.args, undefined)
  assert.match(call?.broken ?? '', 'taxes.txt')
  assert.is(only(events, 'end')[0]?.reason, 'length')
})

test('thinking goes back to the family it came from, signature and all, and to nobody else', async () => {
  const events = await replay('anthropic', 'stream-with-extended-thinking-1.sse', 4_096)
  const opaque = only(events, 'end')[0]?.opaque
  const messages = [
    { role: 'user' as const, text: 'And then?' },
    { role: 'assistant' as const, text: textOf(events), ...(opaque ? { opaque } : {}) },
    { role: 'user' as const, text: 'Go on.' },
  ]
  await tell(adapters.anthropic({ baseUrl: double.url('anthropic') }), { messages })
  const back = double.requests.at(-1)?.body.messages as { content: { type: string; signature?: string; thinking?: string }[] }[]
  assert.is(back[1]?.content[0]?.type, 'thinking')
  assert.ok((back[1]?.content[0]?.signature?.length ?? 0) > 100)
  assert.is(back[1]?.content[1]?.type, 'text')

  await tell(adapters.openai({ baseUrl: double.url('openai') }), { messages })
  assert.not.match(JSON.stringify(double.requests.at(-1)?.body), 'signature')
})

test('a thoughtSignature of Gemini goes back beside its call', async () => {
  const events = await replay('gemini', 'tool-thought-signature.1.sse', 97)
  const opaque = only(events, 'end')[0]?.opaque
  const [call] = only(events, 'toolReady')
  if (!call || !opaque) throw new Error('no call')
  await tell(adapters.gemini({ baseUrl: double.url('gemini') }), {
    messages: [
      { role: 'user', text: 'Which country?' },
      { role: 'assistant', text: '', toolCalls: [{ id: call.id, name: call.name, args: call.args }], opaque },
      { role: 'tool', results: [{ id: call.id, name: call.name, text: 'Mexico' }] },
    ],
  })
  const contents = double.requests.at(-1)?.body.contents as { role: string; parts: Record<string, unknown>[] }[]
  const [, model, tool] = contents
  assert.ok(String(model?.parts[0]?.thoughtSignature).length > 100)
  assert.equal(tool?.parts[0]?.functionResponse, { name: 'get_country', response: { output: 'Mexico' } })
})

test('encrypted reasoning of OpenAI goes back before its calls', async () => {
  const events = await replay('openai', 'streaming-usage.sse', 97)
  const opaque = only(events, 'end')[0]?.opaque
  const [call] = only(events, 'toolReady')
  if (!call || !opaque) throw new Error('no call')
  await tell(adapters.openai({ baseUrl: double.url('openai') }), {
    messages: [
      { role: 'user', text: 'Work it out.' },
      { role: 'assistant', text: '', toolCalls: [{ id: call.id, name: call.name, args: call.args }], opaque },
      { role: 'tool', results: [{ id: call.id, name: call.name, text: 'done' }] },
    ],
  })
  const input = double.requests.at(-1)?.body.input as { type?: string; call_id?: string }[]
  assert.equal(
    input.map((item) => item.type ?? 'message'),
    ['message', 'reasoning', 'function_call', 'function_call_output'],
  )
  assert.is(input[3]?.call_id, call.id)
})

test("Google's RetryInfo is read as the time to wait", async () => {
  double.next({ fault: { status: 429, body: fixture('gemini/google-429-retry-info.json') } }, 'gemini')
  const [fail] = await tell(adapters.gemini({ baseUrl: double.url('gemini') }))
  assert.is(fail?.t === 'fail' && fail.kind, 'rate')
  assert.is(fail?.t === 'fail' && fail.retryAfterMs, 34_400)
})

test('recorded 400s are badreq', async () => {
  double.next({ fault: { status: 400, body: fixture('anthropic/effort-xhigh-400.json') } }, 'anthropic')
  double.next({ fault: { status: 400, body: fixture('openai-responses/http-error.json') } }, 'openai')
  for (const wire of ['anthropic', 'openai'] as const) {
    const [fail] = await tell(adapters[wire]({ baseUrl: double.url(wire) }))
    assert.is(fail?.t === 'fail' && fail.kind, 'badreq')
  }
})

test('what services say in a date or in milliseconds is understood as a wait too', () => {
  const error = (headers: Record<string, string>) => Object.assign(new Error('slow down'), { status: 429, headers: new Headers(headers) })
  assert.is(faultOf(error({ 'retry-after-ms': '1500' })).retryAfterMs, 1_500)
  const wait = faultOf(error({ 'retry-after': new Date(Date.now() + 60_000).toUTCString() })).retryAfterMs ?? 0
  assert.ok(wait > 55_000 && wait <= 60_000)
})

for (const wire of wires) {
  test(`${wire}: text, a thought, two calls and the usage come out as they were put in`, async () => {
    const tools = [
      { name: 'weather', args: { city: 'Bern', days: [1, 2] } },
      { name: 'time', args: {} },
    ]
    double.next({ text: 'Let me look.', think: 'hm', tools, usage: { in: 100, out: 20 } }, wire)
    const events = await tell(adapters[wire]({ baseUrl: double.url(wire) }))
    assert.is(textOf(events), 'Let me look.')
    assert.is(
      only(events, 'think')
        .map((event) => event.d)
        .join(''),
      'hm',
    )
    assert.equal(
      only(events, 'toolReady').map(({ name, args }) => ({ name, args })),
      tools,
    )
    assert.equal(new Set(only(events, 'toolReady').map(({ id }) => id)).size, 2)
    assert.equal(only(events, 'usage').at(-1)?.usage, { in: 100, out: 20 })
    assert.is(only(events, 'end')[0]?.reason, 'tool')
  })

  test(`${wire}: an answer that hits its limit ends as length, and a refusal is no success`, async () => {
    const model = adapters[wire]({ baseUrl: double.url(wire) })
    double.next({ end: 'length' }, wire)
    assert.is(only(await tell(model), 'end')[0]?.reason, 'length')
    if (wire === 'ollama') return // it knows no refusal
    double.next({ end: 'refusal' }, wire)
    const end = only(await tell(model), 'end')[0]
    assert.ok(end?.reason === 'refusal' || end?.reason === 'filter', JSON.stringify(end))
  })

  test(`${wire}: a conversation with calls of another family, tools and a schema makes a request`, async () => {
    const schema = { type: 'object', properties: { ok: { type: 'boolean' } }, required: ['ok'], additionalProperties: false }
    await tell(adapters[wire]({ baseUrl: double.url(wire) }), {
      ...request(),
      effort: 'low',
      cacheKey: 'acme:intern',
      tools: [
        { name: 'weather', description: 'says the weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } },
        { name: 'clock', description: 'says the time', parameters: { type: 'object', properties: {} } },
      ],
      json: { name: 'verdict', schema },
      messages: [
        { role: 'user', text: 'Weather in Bern?' },
        { role: 'assistant', text: 'Let me look.', toolCalls: [{ id: 'a:1', name: 'weather', args: { city: 'Bern' } }] },
        { role: 'tool', results: [{ id: 'a:1', name: 'weather', text: 'sunny' }] },
      ],
    })
    const body = JSON.stringify(double.requests.at(-1)?.body)
    for (const part of ['Weather in Bern?', 'Let me look.', 'sunny', 'You are kind.', 'says the weather', 'additionalProperties'])
      assert.match(body, part)
    // The stable prefix that a cache needs: tools in one order.
    assert.ok(body.indexOf('says the time') < body.indexOf('says the weather'))
    assert.not.match(body, 'temperature')
  })
}

if (process.argv.includes('--write')) {
  const { writeFileSync } = await import('node:fs')
  const found: Record<string, unknown> = {}
  for (const wire of wires) for (const file of recordings(wire)) found[`${wire}/${file}`] = gist(await replay(wire, file, 4_096))
  writeFileSync(new URL('../../fixtures/models/expected.json', import.meta.url), `${JSON.stringify(found, null, 1)}\n`)
}

test.run()
