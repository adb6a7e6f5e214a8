import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createNeighbourWatch } from '../../../runtime/cluster/neighbour.ts'
import { silent } from '../../../runtime/watch/log.ts'
import { handClock, settled } from '../../support/clock.ts'

const n2 = { node: 'n2', life: 'n2.1', key: 2 }

/** A watch whose locks are freed, or whose store goes away, as the test pleases. */
function open(isGone = true) {
  const clock = handClock()
  const watched: { free(): void; fail(): void; stopped: boolean }[] = []
  const freed: string[] = []
  const watch = createNeighbourWatch({
    clock,
    log: silent,
    watch() {
      const one = { free() {}, fail() {}, stopped: false }
      const free = new Promise<void>((resolve, reject) => {
        one.free = resolve
        one.fail = () => reject(new Error('the store went away'))
      })
      watched.push(one)
      return { free, stop: () => void (one.stopped = true) }
    },
    async free({ life }) {
      freed.push(life)
      return isGone
    },
  })
  return { clock, watch, watched, freed }
}

test('whose lock is free is told at once, and waited for no more', async () => {
  const { clock, watch, watched, freed } = open()
  watch.follow(n2)
  watched[0]?.free()
  await clock.pass(10_000)
  assert.equal([freed, watched.length], [['n2.1'], 1])
})

test('who turns out to live is waited for again soon', async () => {
  const { clock, watch, watched, freed } = open(false)
  watch.follow(n2)
  watched[0]?.free()
  await clock.pass(300)
  assert.equal([freed, watched.length], [['n2.1'], 2])
})

test('when the store went away all locks are free for a while, and nobody is asked about any', async () => {
  const { clock, watch, watched, freed } = open()
  watch.follow(n2)
  watched[0]?.fail()
  await clock.pass(2_900)
  assert.is(watched.length, 1)
  await clock.pass(100)
  assert.is(watched.length, 2)
  assert.equal(freed, [])
})

test('another neighbour is waited for at once, and the one before no more', async () => {
  const { clock, watch, watched, freed } = open()
  watch.follow(n2)
  watch.follow({ ...n2, life: 'n2.2' })
  assert.equal([watched.length, watched[0]?.stopped], [2, true])
  watched[0]?.free()
  await settled()
  await clock.pass(10_000)
  assert.equal(freed, [])
})

test.run()
