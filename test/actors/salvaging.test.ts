import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { salvaging } from '../../actors/salvaging.ts'
import { handClock } from '../support/clock.ts'
import { work } from './samples.ts'

const never = async () => {
  throw new Error('nobody is asked')
}

test('what was said here is saved with its price, and at once', async () => {
  const fill = salvaging({ cut: async () => ({ text: 'The sky', note: { model: 'm', cost: 0.1 } }), logged: never, after: never })
  assert.equal(await fill({ turn: 't1', attempt: 2 }, work()), { text: 'The sky', model: 'm', cost: 0.1 })
})

test('what was said on another node is read from the log, once that node has had the time to keep it', async () => {
  const clock = handClock()
  let kept = 'The'
  const places: unknown[] = []
  const fill = salvaging({
    cut: async () => undefined,
    logged: async (place) => {
      places.push(place)
      return kept
    },
    after: clock.after,
  })
  const saved = fill({ turn: 't1', attempt: 2 }, work())
  await clock.pass(250)
  assert.equal(places, [], 'it gathers words for so long')
  kept = 'The sk'
  await clock.pass(250)
  assert.equal(await saved, { text: 'The sk', recalled: true })
  assert.equal(places, [{ tenant: 'acme', actor: 'c1', turn: 't1', attempt: 2 }])
})

test('who goes on for somebody who is gone knows the price, and the log how much was said', async () => {
  const clock = handClock()
  const fill = salvaging({
    cut: async () => ({ text: 'The', note: { model: 'm', cost: 0.1 }, isPart: true }),
    logged: async () => 'The sky',
    after: clock.after,
  })
  const saved = fill({ turn: 't1', attempt: 2 }, work())
  await clock.pass(500)
  assert.equal(await saved, { text: 'The sky', recalled: true, model: 'm', cost: 0.1 })
})

test('of what is known here and what is in the log the longer counts', async () => {
  for (const [text, log] of [
    ['The sky', 'The'],
    ['The', 'The sky'],
  ] as const) {
    const clock = handClock()
    const fill = salvaging({ cut: async () => ({ text, note: {}, isPart: true }), logged: async () => log, after: clock.after })
    const saved = fill({ turn: 't1', attempt: 1 }, work())
    await clock.pass(500)
    assert.is((await saved).text, 'The sky')
  }
})

test('before the first attempt nothing was said', async () => {
  assert.equal(await salvaging({ cut: never, logged: never, after: never })({ turn: 't1', attempt: 0 }, work()), { text: '' })
})

test.run()
