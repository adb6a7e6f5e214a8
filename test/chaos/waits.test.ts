import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Entry, Payload, Talk } from './journal.ts'
import { waitsOf } from './waits.ts'

const heard = (at: number, name: string, payload: Payload = {}): Entry => ({ t: 'heard', at, frame: [name, { turn: 't1', ...payload }] })
const talk = (entries: Entry[], door: Talk['door'] = 'socket'): Talk => ({ conversation: 'c', door, entries })

const whole: Entry[] = [
  { t: 'sent', at: 0, id: 'm1', text: 'why?', tries: 1 },
  { t: 'sent', at: 30, id: 'm1', text: 'why?', tries: 2 },
  { t: 'accepted', at: 40, id: 'm1', seq: 1 },
  heard(41, 'turn.started', { messages: ['m1'] }),
  heard(100, 'reply.delta'),
  heard(110, 'reply.delta'),
  heard(400, 'reply.retracted'),
  heard(450, 'reply.delta'),
  heard(460, 'reply.finished'),
  heard(461, 'turn.finished'),
]

test('a message waits for its acknowledgement, for the first word and for every next one', () => {
  const { kept, first, next } = waitsOf([talk(whole)])
  assert.equal(kept, [{ at: 40, ms: 40 }])
  assert.equal(first, [{ at: 100, ms: 60 }])
  assert.equal(
    next.map(({ ms }) => ms),
    [10, 290, 50, 10, 1],
  )
})

test('what was missed counts when it is heard', () => {
  const joined: Entry = {
    t: 'joined',
    at: 900,
    after: { seq: 0 },
    seq: 3,
    missed: [
      ['turn.started', { turn: 't1', messages: ['m1'] }],
      ['reply.delta', { turn: 't1' }],
    ],
  }
  assert.equal(waitsOf([talk([...whole.slice(0, 3), joined])]).first, [{ at: 900, ms: 860 }])
})

test('the pause between two turns is nobody waiting', () => {
  const again: Entry[] = [
    { t: 'sent', at: 9_000, id: 'm2', text: 'and?', tries: 1 },
    { t: 'accepted', at: 9_010, id: 'm2', seq: 9 },
    { t: 'heard', at: 9_011, frame: ['turn.started', { turn: 't2', messages: ['m2'] }] },
    { t: 'heard', at: 9_050, frame: ['turn.failed', { turn: 't2' }] },
  ]
  const { first, next } = waitsOf([talk([...whole, ...again])])
  assert.equal(
    first.map(({ ms }) => ms),
    [60, 40],
  )
  assert.is(Math.max(...next.map(({ ms }) => ms)), 290)
})

test('server-sent events are left out', () => {
  assert.equal(waitsOf([talk(whole, 'sse')]), { kept: [], first: [], next: [] })
})

test.run()
