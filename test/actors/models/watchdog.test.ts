import { getEventListeners } from 'node:events'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { ModelEvent, Provider } from '../../../actors/models/model.ts'
import { createBreaker } from '../../../actors/models/breaker.ts'
import { honest } from '../../../actors/models/honest.ts'
import { watched } from '../../../actors/models/watchdog.ts'
import { all, handClock, only, quiet, request, within } from './samples.ts'

const deadlines = { first: 1_000, idle: 500, thinking: 3_000, total: 10_000 }

/** Yields each event when the test sends it, and hears nothing, not even an abort. */
function deaf(): Provider & { send(event: ModelEvent): void; signal?: AbortSignal } {
  const queue: ModelEvent[] = []
  let wake = () => {}
  const self: ReturnType<typeof deaf> = {
    name: 'deaf',
    send: (event) => {
      queue.push(event)
      wake()
    },
    async *stream(_, { signal }) {
      self.signal = signal
      for (;;) {
        const event = queue.shift()
        if (event) yield event
        else await new Promise<void>((resolve) => (wake = resolve))
      }
    },
  }
  return self
}

function watching(wish = {}) {
  const clock = handClock()
  const source = deaf()
  const stop = new AbortController()
  const events = all(watched(source, deadlines, clock).stream(request(wish), { signal: stop.signal }))
  let over = false
  void events.then(() => (over = true))
  return { clock, source, stop, events: () => within(500, events), isOver: () => over }
}

const start: ModelEvent = { t: 'start', provider: 'deaf', model: 'm' }
const word: ModelEvent = { t: 'text', d: 'word ' }

test('the bare start is no first event: a service that accepts and then says nothing is a stall', async () => {
  const { clock, source, events, isOver } = watching()
  source.send(start)
  await clock.pass(999)
  assert.is(isOver(), false)
  await clock.pass(2)
  const fail = only(await events(), 'fail')[0]
  assert.equal([fail?.kind, fail?.partial], ['stall', false])
  assert.is(source.signal?.aborted, true)
})

test('silence between two words is a stall after the shorter deadline, and the text before it makes it partial', async () => {
  const { clock, source, events, isOver } = watching()
  source.send(word)
  await clock.pass(400)
  source.send(word)
  await clock.pass(499)
  assert.is(isOver(), false)
  await clock.pass(2)
  assert.equal(
    only(await events(), 'fail').map(({ kind, partial }) => [kind, partial]),
    [['stall', true]],
  )
})

test('a thinking model may be silent longer', async () => {
  const { clock, source, events, isOver } = watching({ effort: 'high' })
  await clock.pass(2_900)
  source.send({ t: 'think', d: 'hm' })
  await clock.pass(2_900)
  assert.is(isOver(), false)
  source.send(word)
  await clock.pass(501)
  assert.is(only(await events(), 'fail')[0]?.kind, 'stall')
})

test('a stream that never stops is ended by the total', async () => {
  const { clock, source, events, isOver } = watching()
  for (let i = 0; i < 24; i++) {
    source.send(word)
    await clock.pass(400)
  }
  assert.is(isOver(), false)
  source.send(word)
  await clock.pass(401)
  assert.is(only(await events(), 'fail')[0]?.kind, 'stall')
})

test('an abort ends a deaf provider at once', async () => {
  const { clock, source, stop, events } = watching()
  source.send(word)
  await clock.pass(10)
  stop.abort()
  assert.is(only(await events(), 'fail')[0]?.kind, 'abort')
})

test('the time that a slow reader takes is not held against the provider', async () => {
  const clock = handClock()
  const source = deaf()
  const stream = watched(source, deadlines, clock).stream(request(), { signal: quiet() })[Symbol.asyncIterator]()
  source.send(word)
  await within(500, stream.next())
  await clock.pass(5_000)
  source.send({ t: 'end', reason: 'stop', raw: 'stop' })
  assert.is((await within(500, stream.next())).value.t, 'end')
})

test('an abort while nobody looks is the next thing that is heard', async () => {
  const source = deaf()
  const stop = new AbortController()
  const stream = watched(source, deadlines, handClock()).stream(request(), { signal: stop.signal })[Symbol.asyncIterator]()
  source.send(word)
  await within(500, stream.next())
  stop.abort()
  const next = (await within(500, stream.next())).value as ModelEvent
  assert.equal(next.t === 'fail' && [next.kind, next.partial], ['abort', true])
  assert.is((await within(500, stream.next())).done, true)
})

test('however a stream ends, its source is let go once, and no timer and no listener is left behind', async () => {
  for (const [how, events] of Object.entries({
    ended: [word, { t: 'end', reason: 'stop', raw: 'stop' }],
    failed: [word, { t: 'fail', kind: 'network', message: 'no', partial: false }],
    silent: [word],
    left: [word, word, word],
    aborted: [word, word],
  } satisfies Record<string, ModelEvent[]>)) {
    const clock = handClock()
    const stop = new AbortController()
    let returns = 0
    const provider: Provider = {
      name: 'counted',
      stream: () => {
        const left = [...events]
        const next = async () => (left.length > 0 ? { done: false, value: left.shift() as ModelEvent } : { done: true, value: undefined })
        const end = async () => {
          returns++
          return { done: true, value: undefined }
        }
        return { [Symbol.asyncIterator]: () => ({ next, return: end }) } as AsyncIterable<ModelEvent>
      },
    }
    for (const wrap of [
      () => watched(provider, deadlines, clock).stream(request(), { signal: stop.signal }),
      () => honest(provider.stream(request(), { signal: stop.signal }), { signal: stop.signal }),
    ]) {
      returns = 0
      const stream = wrap()
      for await (const _ of stream) {
        if (how === 'left') break
        if (how === 'aborted') stop.abort()
      }
      await stream[Symbol.asyncIterator]().return?.()
      assert.equal([returns, clock.waiting(), getEventListeners(stop.signal, 'abort').length], [1, 0, 0], how)
    }
  }
})

test('one timer serves a stream of any length', async () => {
  const { clock, source, events } = watching()
  for (let i = 0; i < 1_000; i++) source.send(word)
  source.send({ t: 'end', reason: 'stop', raw: 'stop' })
  await clock.pass(10)
  assert.is((await events()).length, 1_001)
  assert.ok(clock.waits.length <= 3, `${clock.waits.length} timers`)
})

test('the breaker rests 5 s, then twice as long with each failure, at most 5 minutes, and forgets at a success', async () => {
  const clock = handClock()
  const breaker = createBreaker(clock)
  const rests: number[] = []
  for (let i = 0; i < 8; i++) {
    breaker.failed('a')
    rests.push(breaker.rest('a'))
    await clock.pass(breaker.rest('a'))
    assert.is(breaker.rest('a'), 0)
  }
  assert.equal(rests, [5_000, 10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000])
  assert.is(breaker.rest('b'), 0)
  breaker.succeeded('a')
  breaker.failed('a', 30_000)
  assert.is(breaker.rest('a'), 30_000, 'what the service asks for, when it asks for more')
})

test.run()
