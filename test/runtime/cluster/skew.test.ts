import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createSkew } from '../../../runtime/cluster/skew.ts'
import { silent } from '../../../runtime/watch/log.ts'

const HOUR = 3_600_000

/** A machine whose clock is an hour ahead of the store's. */
function machine() {
  let ticks = 0
  let set = HOUR
  let store = 0
  const warnings: object[] = []
  const log = { ...silent, warn: (what: object) => void warnings.push(what) }
  const skew = createSkew({ node: 'n1', clock: { now: () => ticks + set, ticks: () => ticks }, log })
  return {
    skew,
    warnings,
    /** Asks the store what time it is; its answer waits so long there and back, and is noted so long after it has come. */
    ask(there: number, back: number, after = 0) {
      const asked = ticks
      const now = ticks + there + store
      ticks += there + back + after
      skew.note(now, asked)
    },
    set: (ms: number) => void (set = ms),
    /** The store's own clock is set. */
    correct: (ms: number) => void (store += ms),
  }
}

test('before the store has said anything nothing is corrected', () => assert.is(machine().skew.ms(), 0))

test('a slow answer takes nothing back that a quick one has shown', () => {
  const { skew, ask } = machine()
  ask(1, 1)
  assert.is(skew.ms(), -HOUR)
  ask(1_800, 10)
  ask(10, 900)
  assert.is(skew.ms(), -HOUR)
})

test('nor does one that is noted late', () => {
  const { skew, ask } = machine()
  ask(1, 1)
  ask(1, 1, 6_000)
  assert.is(skew.ms(), -HOUR)
})

test('nor where what is known is not quite exact itself', () => {
  const { skew, ask } = machine()
  ask(5, 1)
  assert.is(skew.ms(), 2 - HOUR)
  ask(1, 1_800)
  assert.ok(Math.abs(skew.ms() + HOUR) <= 2, `${skew.ms() + HOUR} ms`)
})

test('a quicker answer is more exact than a slow one', () => {
  const { skew, ask } = machine()
  ask(900, 100)
  assert.is(skew.ms(), 400 - HOUR)
  ask(2, 2)
  assert.ok(Math.abs(skew.ms() + HOUR) <= 2, `${skew.ms() + HOUR} ms`)
})

test('what contradicts what was known is news, as far as it does', () => {
  const { skew, ask, correct } = machine()
  ask(1, 1)
  correct(60_000)
  ask(900, 900)
  assert.is(skew.ms(), 59_100 - HOUR)
  ask(1, 1)
  assert.ok(Math.abs(skew.ms() - 60_000 + HOUR) <= 1)
})

test('a clock that is set is seen at once, and said with the next answer, once', () => {
  const { skew, ask, set, warnings } = machine()
  set(0)
  ask(1, 1)
  assert.equal(warnings, [])
  set(-HOUR)
  assert.is(skew.ms(), HOUR)
  ask(1, 1)
  ask(1, 1)
  assert.equal(warnings, [{ node: 'n1', seconds: 3_600 }])
})

test.run()
