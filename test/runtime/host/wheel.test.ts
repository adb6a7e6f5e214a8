import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createWheel } from '../../../runtime/host/wheel.ts'
import { handClock } from '../../support/clock.ts'

test('rings at the first notch after its time, and never before', () => {
  const clock = handClock(3)
  const wheel = createWheel(clock, 5)
  const rung: number[] = []
  for (const ms of [1, 12, 25]) wheel.at(ms, () => rung.push(clock.now() - ms - 3))
  clock.move(100)
  assert.is(rung.length, 3)
  assert.ok(
    rung.every((late) => late >= 0 && late < 10),
    rung.join(),
  )
})

test('a clock that is set back by an hour changes nothing', () => {
  const clock = handClock()
  let set = 0
  const wheel = createWheel({ ...clock, now: () => clock.now() + set })
  const began = clock.now()
  const rung: number[] = []
  const ring = () => rung.push(clock.now() - began)
  wheel.at(20, ring)
  set = -3_600_000
  wheel.at(25, ring)
  clock.move(50)
  assert.equal(rung, [20, 25])
})

test('many rings share one timer, and none is awaited when nothing is due', () => {
  const clock = handClock()
  const wheel = createWheel(clock)
  let rung = 0
  for (let n = 0; n < 1_000; n++) wheel.at(n % 50, () => rung++)
  assert.is(clock.waiting(), 1)
  clock.move(100)
  assert.is(rung, 1_000)
  assert.is(clock.waiting(), 0)
})

test('whoever is due earlier rings first, however late it was set, and its timer takes the place of the other', () => {
  const clock = handClock()
  const wheel = createWheel(clock)
  const rung: [number, number][] = []
  const began = clock.now()
  for (const ms of [100, 20, 60]) {
    wheel.at(ms, () => rung.push([ms, clock.now() - began]))
    assert.is(clock.waiting(), 1)
  }
  clock.move(200)
  assert.equal(rung, [
    [20, 20],
    [60, 60],
    [100, 100],
  ])
})

test('what is set while it rings rings later', () => {
  const clock = handClock()
  const wheel = createWheel(clock)
  const rung: string[] = []
  wheel.at(5, () => {
    rung.push('first')
    wheel.at(5, () => rung.push('second'))
  })
  clock.move(50)
  assert.equal(rung, ['first', 'second'])
})

test('stopped, it rings no more', () => {
  const clock = handClock()
  const wheel = createWheel(clock)
  wheel.at(5, () => assert.unreachable('it rang'))
  wheel.stop()
  clock.move(50)
})

test.run()
