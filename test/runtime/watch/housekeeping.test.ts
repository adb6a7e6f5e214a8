import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { startHousekeeping } from '../../../runtime/watch/housekeeping.ts'
import { silent } from '../../../runtime/watch/log.ts'
import { handClock } from '../../support/clock.ts'

function house(tidy = async () => {}) {
  const clock = handClock()
  let rounds = 0
  const keeping = startHousekeeping({ clock, log: silent, tidy: () => (rounds++, tidy()) })
  const work = (steps: number) => {
    for (let at = 0; at < steps; at++) keeping.noteStep()
  }
  return { clock, keeping, work, rounds: () => rounds }
}

test('a store at rest is left in peace', async () => {
  const { clock, work, rounds } = house()
  work(499)
  await clock.pass(290_000)
  await clock.pass(20_000)
  assert.is(rounds(), 0)
})

test('a busy store is tidied every five minutes, and only for new work', async () => {
  const { clock, work, rounds } = house()
  work(500)
  await clock.pass(300_000)
  assert.is(rounds(), 1)
  await clock.pass(300_000)
  assert.is(rounds(), 1)
  work(500)
  await clock.pass(300_000)
  assert.is(rounds(), 2)
})

test('a round that fails is not the last one', async () => {
  const { clock, work, rounds } = house(() => Promise.reject(new Error('busy')))
  work(500)
  await clock.pass(300_000)
  work(500)
  await clock.pass(300_000)
  assert.is(rounds(), 2)
})

test('after the end nothing is tidied', async () => {
  const { clock, keeping, work, rounds } = house()
  work(500)
  keeping.stop()
  await clock.pass(900_000)
  assert.equal([rounds(), clock.waiting()], [0, 0])
})

test.run()
