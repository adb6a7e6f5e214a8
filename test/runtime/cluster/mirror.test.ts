import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Mirror, freshMirror, take } from '../../../runtime/cluster/mirror.ts'

const fresh = (seq?: number): Mirror => ({ ...freshMirror(), seq })
const words = (turn: string, attempt: number, offset: number, text: string) => ({ conversation: 'c', turn, attempt, offset, text })
const finished = (seq: number, turn: string, attempt: number, text: string) => ({
  conversation: 'c',
  seq,
  turn,
  attempt,
  message: { id: 'r', text },
})

test('durable events come once and without a hole, from wherever the first one stands', () => {
  const mirror = fresh()
  assert.equal(take(mirror, 'turn.started', { seq: 7 }), [{ name: 'turn.started', payload: { seq: 7 } }])
  assert.equal(take(mirror, 'turn.started', { seq: 7 }), [])
  assert.is(take(mirror, 'turn.finished', { seq: 9 }), 'gap')
  assert.is(mirror.seq, 7)
  assert.is(take(mirror, 'turn.classified', { seq: 8 }).length, 1)
})

test('words come once, whatever their pieces; a hole shows', () => {
  const mirror = fresh(0)
  take(mirror, 'reply.delta', words('t1', 1, 0, 'Because'))
  assert.equal(take(mirror, 'reply.delta', words('t1', 1, 3, 'ause of')), [{ name: 'reply.delta', payload: words('t1', 1, 7, ' of') }])
  assert.equal(take(mirror, 'reply.delta', words('t1', 1, 0, 'Because')), [])
  assert.is(take(mirror, 'reply.delta', words('t1', 1, 12, 'x')), 'gap')
  assert.equal(mirror.live, { turn: 't1', attempt: 1, text: 'Because of' })
})

test('a new attempt begins at its start, and late words of the one before are not heard', () => {
  const mirror = fresh(0)
  take(mirror, 'reply.delta', words('t1', 1, 0, 'Old'))
  assert.is(take(mirror, 'reply.delta', words('t1', 2, 3, 'x')), 'gap')
  take(mirror, 'reply.delta', words('t1', 2, 0, 'New'))
  assert.equal(take(mirror, 'reply.delta', words('t1', 1, 3, 'er')), [])
  assert.is(mirror.live?.text, 'New')
  take(mirror, 'reply.retracted', { seq: 1, turn: 't1', attempt: 2 })
  assert.is(mirror.live, undefined)
})

test('the end of a reply brings the words that got lost', () => {
  const mirror = fresh(0)
  take(mirror, 'reply.delta', words('t1', 1, 0, 'Because of '))
  const told = take(mirror, 'reply.finished', finished(1, 't1', 1, 'Because of scattering.'))
  assert.ok(told !== 'gap')
  assert.equal(
    told.map(({ name }) => name),
    ['reply.delta', 'reply.finished'],
  )
  assert.equal(told[0]?.payload, words('t1', 1, 11, 'scattering.'))
  assert.is(mirror.live, undefined)
})

test('what comes of an attempt or a turn behind its end was overtaken by it, and is not heard', () => {
  const mirror = fresh(0)
  take(mirror, 'reply.delta', words('t1', 1, 0, 'Because'))
  take(mirror, 'reply.finished', finished(1, 't1', 1, 'Because'))
  assert.equal(take(mirror, 'reply.delta', words('t1', 1, 0, 'Because')), [])
  assert.is(take(mirror, 'agent.status', { turn: 't1', status: 'checking' }).length, 1)
  take(mirror, 'turn.finished', { seq: 2, turn: 't1' })
  assert.equal(take(mirror, 'reply.delta', words('t1', 2, 0, 'Once more')), [])
  assert.equal(take(mirror, 'agent.status', { turn: 't1', status: 'checking' }), [])
  assert.is(mirror.live, undefined)
  // The next turn has nothing to do with it.
  assert.is(take(mirror, 'agent.status', { turn: 't2', status: 'sorting' }).length, 1)
  assert.is(take(mirror, 'reply.delta', words('t2', 1, 0, 'New')).length, 1)
})

test('an older end that is told once more takes nothing back', () => {
  const mirror = fresh(0)
  take(mirror, 'reply.finished', finished(1, 't1', 1, 'Because'))
  take(mirror, 'turn.finished', { seq: 2, turn: 't1' })
  take(mirror, 'reply.finished', finished(1, 't1', 1, 'Because'))
  assert.equal(take(mirror, 'reply.delta', words('t1', 2, 0, 'Once more')), [])
})

test('words that were held while the store was read come behind the ends of several turns, and are not heard', () => {
  const mirror = fresh(0)
  for (const [at, turn] of ['t1', 't2', 't3'].entries()) {
    take(mirror, 'reply.finished', finished(2 * at + 1, turn, 1, 'Because'))
    take(mirror, 'turn.finished', { seq: 2 * at + 2, turn })
  }
  for (const turn of ['t1', 't2', 't3']) {
    assert.equal(take(mirror, 'reply.delta', words(turn, 1, 0, 'Because')), [])
    assert.equal(take(mirror, 'agent.status', { turn, status: 'checking' }), [])
  }
  assert.is(take(mirror, 'reply.delta', words('t4', 1, 0, 'New')).length, 1)
})

test('of a conversation that never rests only the latest ends are remembered', () => {
  const mirror = fresh(0)
  for (let seq = 1; seq <= 1_000; seq++) take(mirror, 'turn.finished', { seq, turn: `t${seq}` })
  assert.equal(take(mirror, 'reply.delta', words('t1000', 1, 0, 'Late')), [])
  assert.ok(mirror.over.size < 100, `${mirror.over.size} turns`)
})

test('whatever is lost, doubled or swapped: what is told has no hole, and what is missing shows as a gap', () => {
  const events = Array.from({ length: 12 }, (_, at) =>
    at % 3 === 0
      ? { name: 'turn.started', payload: { seq: at / 3 + 1 } }
      : { name: 'reply.delta', payload: words('t1', 1, (at - Math.floor(at / 3) - 1) * 2, 'ab') },
  )
  fc.assert(
    fc.property(fc.array(fc.nat(11), { maxLength: 40 }), (order) => {
      const mirror = fresh(0)
      let text = ''
      let seq = 0
      for (const at of order) {
        const event = events[at] as (typeof events)[0]
        const told = take(mirror, event.name, event.payload)
        if (told === 'gap') continue
        for (const { name, payload } of told) {
          if (name === 'reply.delta') {
            const { offset, text: more } = payload as ReturnType<typeof words>
            assert.is(offset, text.length)
            text += more
          } else assert.is((payload as { seq: number }).seq, ++seq)
        }
      }
      assert.is(mirror.live?.text ?? '', text)
    }),
  )
})

test.run()
