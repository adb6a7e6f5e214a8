import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createJobs, pause } from '../../../runtime/cluster/jobs.ts'
import { silent } from '../../../runtime/watch/log.ts'
import { handClock, settled } from '../../support/clock.ts'
import { within } from '../../support/within.ts'

test('a job runs while its shard is here, once, and its end is awaited', async () => {
  const clock = handClock()
  const jobs = createJobs({ clock, log: silent })
  let running = 0
  let most = 0
  let ends = 0
  jobs.add('poll', async (signal) => {
    most = Math.max(most, ++running)
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
    await Promise.resolve()
    running--
    ends++
  })
  jobs.start('poll')
  jobs.start('poll')
  jobs.start('unknown')
  assert.is(running, 1)
  await within(1_000, jobs.stop('poll'))
  assert.equal([running, ends, most], [0, 1, 1])
  jobs.start('poll')
  assert.is(running, 1)
  jobs.stopAll()
  await within(1_000, jobs.stop('poll'))
})

test('a job that takes its time to end is begun again no sooner', async () => {
  const jobs = createJobs({ clock: handClock(), log: silent })
  let letGo = () => {}
  let begun = 0
  jobs.add('slow', async (signal) => {
    begun++
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => (letGo = resolve)))
  })
  jobs.start('slow')
  jobs.stopAll()
  jobs.start('slow')
  jobs.stopAll()
  jobs.start('slow')
  await settled(1)
  assert.is(begun, 1)
  letGo()
  await settled(1)
  assert.is(begun, 2, 'one was not wanted any more before it could begin')
  const stopped = jobs.stop('slow')
  letGo()
  await within(1_000, stopped)
})

test('a job that fails is begun again after a while, and not once it is stopped', async () => {
  const clock = handClock()
  const jobs = createJobs({ clock, log: silent })
  let tries = 0
  jobs.add('fails', async () => {
    tries++
    throw new Error('it does')
  })
  jobs.start('fails')
  await clock.pass(999)
  assert.is(tries, 1)
  await clock.pass(1)
  assert.is(tries, 2)
  await within(1_000, jobs.stop('fails'))
  await clock.pass(10_000)
  assert.is(tries, 2)
})

test('a pause ends early when nobody wants the work any more', async () => {
  const clock = handClock()
  const controller = new AbortController()
  const waiting = pause(clock, 60_000, controller.signal)
  controller.abort()
  await within(1_000, waiting)
  await within(1_000, pause(clock, 60_000, controller.signal))
})

test.run()
