import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { FaultKind } from '../../../actors/models/model.ts'
import { watched, patience } from '../../../actors/models/watchdog.ts'
import { type Fault, providerDouble, type Wire, wires } from '../../support/provider.ts'
import { patience as slack } from '../../support/within.ts'
import { adapters, only, request, tell, textOf, within } from './samples.ts'

const double = await providerDouble()
test.after(() => double.close())
// The SDKs load at the first call, which may take longer than the short deadlines below.
test.before(async () => {
  for (const wire of wires) await tell(adapters[wire]({ baseUrl: double.url(wire) }))
})
test.before.each(() => double.forget())

/** [what happens, expected kind, was text visible] */
const table: [string, Fault, FaultKind, boolean][] = [
  ['answers 429 with retry-after', { status: 429, retryAfter: 2 }, 'rate', false],
  ['answers 500', { status: 500 }, 'overload', false],
  [
    'answers 503 with a page of HTML',
    { status: 503, headers: { 'content-type': 'text/html' }, body: '<h1>Bad gateway</h1>' },
    'overload',
    false,
  ],
  ['answers 529', { status: 529 }, 'overload', false],
  ['answers 401', { status: 401 }, 'auth', false],
  ['answers 403', { status: 403 }, 'auth', false],
  ['answers 400', { status: 400 }, 'badreq', false],
  ['answers 404', { status: 404 }, 'badreq', false],
  [
    'says the prompt is too long',
    {
      status: 400,
      body: { error: { message: 'prompt is too long: this exceeds the maximum context length', code: 'context_length_exceeded' } },
    },
    'context',
    false,
  ],
  [
    'refuses the policy',
    { status: 400, body: { error: { message: 'rejected by our content management policy', code: 'content_filter' } } },
    'policy',
    false,
  ],
  [
    'has no quota left',
    { status: 429, body: { error: { message: 'You exceeded your quota', code: 'insufficient_quota', type: 'insufficient_quota' } } },
    'auth',
    false,
  ],
  ['hangs before its headers', 'hang before headers', 'stall', false],
  ['hangs after its headers', 'hang after headers', 'stall', false],
  ['hangs in mid-stream', 'hang', 'stall', true],
  ['resets the connection in mid-stream', 'cut', 'network', true],
  ['ends cleanly without a terminal marker', 'eof', 'truncated', true],
  ['sends a chunk that is no JSON', 'malformed', 'network', true],
  ['puts an error into a stream with status 200', 'error inside', 'overload', true],
  ['puts an error with status 200 where a stream belongs', 'error as body', 'overload', false],
]

/** Short where silence is what is tested; elsewhere a busy machine must not make a stall of a fault. */
const brief = { ...patience, first: 500, idle: 200 }
const calm = { ...patience, first: 4_000, idle: 2_000 }

/** Stops a call in the middle and tells after how long it ended here, and after how long the service saw its socket close. */
async function abort(wire: Wire, fault: Fault): Promise<{ ended: number; closed: number }> {
  double.next({ text: 'Some words first.', fault }, wire)
  const stop = new AbortController()
  let at = 0
  const now = () => {
    at = performance.now()
    stop.abort()
  }
  const arrival = double.arrival()
  const heard: string[] = []
  const reading = (async () => {
    const model = watched(adapters[wire]({ baseUrl: double.url(wire) }))
    for await (const event of model.stream(request(), { signal: stop.signal })) {
      heard.push(event.t === 'fail' ? event.kind : event.t)
      if (event.t === 'text' && event.d.startsWith('first')) setImmediate(now)
    }
    return performance.now()
  })()
  const seen = await within(3_000, arrival)
  if (fault === 'hang before headers') now()
  const ended = await within(3_000, reading)
  const closed = await within(1_000, seen.hangUp)
  assert.is(heard.at(-1), 'abort')
  return { ended: ended - at, closed: closed - at }
}

for (const wire of wires) {
  for (const [what, fault, kind, partial] of table) {
    test(`${wire}: a service that ${what} fails as ${kind}`, async () => {
      double.next({ text: 'Some words first.', fault }, wire)
      const model = watched(adapters[wire]({ baseUrl: double.url(wire) }), kind === 'stall' ? brief : calm)
      const began = performance.now()
      const events = await tell(model)
      const last = events.at(-1)
      assert.is(last?.t, 'fail', JSON.stringify(events))
      if (last?.t !== 'fail') return
      assert.is(last.kind, kind, last.message)
      assert.is(last.partial, partial)
      assert.is(only(events, 'end').length + only(events, 'fail').length, 1)
      if (kind === 'stall') assert.ok(performance.now() - began < 1_500 * slack, `took ${performance.now() - began} ms`)
      if (typeof fault === 'object' && fault.retryAfter) assert.is(last.retryAfterMs, 2_000)
      if (typeof fault === 'object') assert.is(last.status, fault.status)
    })
  }

  test(`${wire}: nothing is retried behind our back`, async () => {
    const before = double.requests.length
    double.next({ fault: { status: 503 } }, wire)
    await tell(adapters[wire]({ baseUrl: double.url(wire) }))
    assert.is(double.requests.length - before, 1)
  })

  test(`${wire}: a connection that is refused fails as network`, async () => {
    const gone = await providerDouble()
    const baseUrl = gone.url(wire)
    await gone.close()
    const [fail] = await tell(adapters[wire]({ baseUrl }))
    assert.is(fail?.t === 'fail' && fail.kind, 'network', JSON.stringify(fail))
  })

  for (const [when, fault] of [
    ['before the headers', 'hang before headers'],
    ['in mid-stream', 'hang'],
  ] as [string, Fault][]) {
    test(`${wire}: an abort ${when} reaches the socket within 100 ms and ends as abort`, async () => {
      // The best of a few: what is promised is our doing, not that of whoever else uses this machine.
      const runs: { ended: number; closed: number }[] = []
      while (runs.length < 10 && !runs.some((run) => run.ended < 100 && run.closed < 100)) runs.push(await abort(wire, fault))
      const best = runs.at(-1)
      assert.ok(best && best.ended < 100 && best.closed < 100, JSON.stringify(runs))
    })
  }

  test(`${wire}: a consumer that walks away closes the socket`, async () => {
    double.next({ text: 'Some words first.', fault: 'hang' }, wire)
    const arrival = double.arrival()
    const model = watched(adapters[wire]({ baseUrl: double.url(wire) }))
    for await (const event of model.stream(request(), { signal: new AbortController().signal })) if (event.t === 'text') break
    const seen = await within(2_000, arrival)
    await within(500, seen.hangUp)
    assert.ok(seen.hungUp)
  })

  test(`${wire}: a stream that is slower than its deadlines together is healthy as long as it speaks`, async () => {
    double.next({ text: 'one two three four five six seven eight', pace: 40 }, wire)
    const model = watched(adapters[wire]({ baseUrl: double.url(wire) }), { ...calm, first: 1_000, idle: 250 })
    const events = await tell(model)
    assert.is(textOf(events), 'one two three four five six seven eight')
    assert.is(events.at(-1)?.t, 'end')
  })

  test(`${wire}: UTF-8 that is cut between two reads arrives whole`, async () => {
    double.next({ text: ['天空为什么是蓝色的？', '因为🌈散射。'], writes: 1 }, wire)
    assert.is(textOf(await tell(adapters[wire]({ baseUrl: double.url(wire) }))), '天空为什么是蓝色的？因为🌈散射。')
  })

  test(`${wire}: a message never holds the key, whatever the service echoes`, async () => {
    double.next({ fault: { status: 401, body: { error: { message: 'Incorrect API key: test-key' } } } }, wire)
    const [fail] = await tell(adapters[wire]({ baseUrl: double.url(wire) }))
    if (wire !== 'ollama') assert.not.match(JSON.stringify(fail), 'test-key')
  })

  test(`${wire}: an aborted signal asks nobody`, async () => {
    const before = double.requests.length
    const events = await tell(adapters[wire]({ baseUrl: double.url(wire) }), {}, AbortSignal.abort())
    assert.equal(events, [{ t: 'fail', kind: 'abort', message: 'the call was aborted', partial: false }])
    assert.is(double.requests.length, before)
  })
}

test.run()
