import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Misuse } from './misuse.ts'
import { sampleReport } from './samples.ts'
import { faults, keysOf } from './tally.ts'
import { missedBy, noFaults, readThresholds, withNoFaults } from './thresholds.ts'

const slow = sampleReport({ gaps: 2, answered: 10 }, { firstToken: [100, 200, 400] }, { 'mailbox.full': 3 })
const missed = (text: string) => missedBy(slow, readThresholds(text)).map((one) => one.text)

test('a threshold holds or is missed, and says what was found', () => {
  assert.equal(missed('max.firstToken<401, gaps<=2,answered=10 , answered>9,p50.firstToken>=198'), [])
  assert.equal(missed('max.firstToken<400,gaps=0,answered>10,answered>=11,gaps<=1,gaps<2'), [
    'max.firstToken<400',
    'gaps=0',
    'answered>10',
    'answered>=11',
    'gaps<=1',
    'gaps<2',
  ])
  assert.equal(missedBy(slow, readThresholds('gaps=0')), [{ text: 'gaps=0', found: 2 }])
})

test('a limit may be given in seconds, and a refusal by its code', () => {
  assert.equal(missed('max.firstToken<0.5s,p99.9.firstToken<401ms,refused.mailbox.full=3,refused.turn.busy=0'), [])
  assert.equal(missed('max.firstToken<0.3s,refused.mailbox.full<3'), ['max.firstToken<0.3s', 'refused.mailbox.full<3'])
})

test('where nothing was measured, a threshold is missed', () => {
  assert.equal(missedBy(slow, readThresholds('p99.stop<1000')), [{ text: 'p99.stop<1000', found: undefined }])
})

test('what is no threshold, or names nothing, is refused with a sentence', () => {
  for (const text of [
    '',
    'gaps',
    'gaps=',
    'gaps=none',
    'gaps==0',
    'gap=0',
    'p99.firstWord<3',
    'p42.firstToken<3',
    'firstToken<3',
    'toString=0',
  ])
    assert.throws(
      () => readThresholds(text),
      (error: Error) => error instanceof Misuse && error.message.includes(text.split(/[<=]/)[0] as string),
      text,
    )
})

test('without anything said, each kind of fault is missed by itself', () => {
  assert.equal(missedBy(sampleReport({ retracted: 3, drops: 5, refused: 1, unfinished: 1 }), noFaults), [])
  for (const name of keysOf(faults)) assert.equal(missedBy(sampleReport({ [name]: 1 }), noFaults), [{ text: `${name}=0`, found: 1 }])
})

test('whoever expects something more gives up nothing, but for the figure that is named', () => {
  const texts = (text: string) => missedBy(sampleReport({ gaps: 2, doubled: 1 }), withNoFaults(readThresholds(text))).map((one) => one.text)
  assert.equal(texts('sent=0'), ['gaps=0', 'doubled=0'])
  const broken = (counts: object, refused = {}) =>
    missedBy(sampleReport({ sent: 3, ...counts }, {}, refused), withNoFaults([])).map((one) => one.text)
  assert.equal(broken({ failed: 3 }), ['answered>0'])
  assert.equal(broken({ refused: 3 }, { 'internal.error': 3 }), ['refused.internal.error=0', 'answered>0'])
  assert.equal(broken({ answered: 2, refused: 1 }, { 'mailbox.full': 1 }), [])
  assert.equal(broken({ stopped: 3 }), [])
  assert.equal(texts('gaps<=2'), ['doubled=0'])
  assert.equal(texts('gaps>=1,gaps<2'), ['doubled=0', 'gaps<2'])
  assert.equal(texts('gaps<=2,doubled<2'), [])
})

test.run()
