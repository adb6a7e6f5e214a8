import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createChunkLog } from '../../../runtime/host/chunks.ts'
import { silent } from '../../../runtime/watch/log.ts'
import type { Chunk } from '../../../sql/chunks.ts'
import { handClock, settled } from '../../support/clock.ts'
import { within } from '../../support/within.ts'

/** More than the log gathers. */
const WINDOW = 300

const attempt = (turn = 't1') => ({ tenant: 't', actor: 'c', turn, attempt: 1 })

function log({ slow = false } = {}) {
  const clock = handClock()
  const batches: Chunk[][] = []
  const removed: string[] = []
  const open: (() => void)[] = []
  let warned = 0
  let fails = false
  const chunks = createChunkLog({
    clock,
    log: { ...silent, warn: () => void warned++ },
    async keep(batch) {
      batches.push(batch)
      if (fails) throw new Error('the store is away')
      if (slow) await new Promise<void>((resolve) => open.push(resolve))
    },
    async remove({ turn }) {
      removed.push(turn)
    },
  })
  return {
    chunks,
    clock,
    batches,
    removed,
    release: () => open.splice(0).forEach((go) => go()),
    fail: () => (fails = true),
    warned: () => warned,
  }
}

test('pieces of all streams go to the store in one batch, those of one stream as one row', async () => {
  const { chunks, clock, batches } = log()
  const [one, other] = [chunks.open(attempt()), chunks.open(attempt('t2'))]
  for (let n = 0; n < 3; n++) {
    one(n, 'x')
    other(2 * n, 'yy')
  }
  await clock.pass(WINDOW)
  assert.equal(batches, [
    [
      { ...attempt(), start: 0, text: 'xxx' },
      { ...attempt('t2'), start: 0, text: 'yyyyyy' },
    ],
  ])
})

test('a row ends where its stream leaves a hole, and where the store has taken it', async () => {
  const { chunks, clock, batches } = log()
  const add = chunks.open(attempt())
  add(0, 'a')
  add(7, 'b')
  await clock.pass(WINDOW)
  add(8, 'c')
  await clock.pass(WINDOW)
  assert.equal(
    batches.map((batch) => batch.map(({ start, text }) => [start, text])),
    [
      [
        [0, 'a'],
        [7, 'b'],
      ],
      [[8, 'c']],
    ],
  )
})

test('a thousand streams are several statements, so that commits find their turn between them', async () => {
  const { chunks, clock, batches } = log()
  for (let n = 0; n < 1_000; n++) chunks.open(attempt(`t${n}`))(0, 'x')
  await clock.pass(WINDOW)
  assert.equal(
    batches.map((batch) => batch.length),
    [256, 256, 256, 232],
  )
})

test('a node of many streams gathers longer, so that the store has time for commits', async () => {
  const { chunks, clock, batches } = log()
  const streams = Array.from({ length: 2_000 }, (_, n) => chunks.open(attempt(`t${n}`)))
  for (const add of streams) add(0, 'x')
  await clock.pass(WINDOW)
  assert.is(batches.flat().length, 2_000)
  for (const add of streams) add(1, 'y')
  await clock.pass(2 * WINDOW)
  assert.is(batches.flat().length, 2_000)
  await clock.pass(2 * WINDOW)
  assert.is(batches.flat().length, 4_000)
})

test('one batch at a time: what comes meanwhile is the next, and as few rows as there are streams', async () => {
  const { chunks, clock, batches, release } = log({ slow: true })
  const add = chunks.open(attempt())
  add(0, 'x')
  await clock.pass(WINDOW)
  for (let n = 1; n < 600; n++) add(n, 'x')
  await clock.pass(5 * WINDOW)
  assert.is(batches.length, 1)
  release()
  await settled()
  await clock.pass(WINDOW)
  assert.is(batches.length, 2)
  assert.equal(batches[1], [{ ...attempt(), start: 1, text: 'x'.repeat(599) }])
  release()
})

test('settling waits until all that was added is kept', async () => {
  const { chunks, clock, batches, release } = log({ slow: true })
  chunks.open(attempt())(0, 'x')
  await clock.pass(WINDOW)
  chunks.open(attempt())(1, 'x')
  let done = false
  const settling = chunks.settle().then(() => (done = true))
  await settled()
  assert.is(done, false)
  for (let n = 0; n < 3; n++) {
    release()
    await settled()
  }
  await within(1_000, settling)
  assert.is(batches.flat().length, 2)
})

test('what is forgotten before it is written is not written, and the store is not bothered', async () => {
  const { chunks, clock, batches, removed } = log()
  chunks.open(attempt())(0, 'x')
  chunks.open(attempt('t2'))(0, 'x')
  chunks.forget(attempt())
  await clock.pass(WINDOW)
  assert.equal(
    batches.flat().map(({ turn }) => turn),
    ['t2'],
  )
  assert.equal(removed, [])
})

test('what is forgotten after it was written is removed, and not before the writing ended', async () => {
  const { chunks, clock, removed, release } = log({ slow: true })
  chunks.open(attempt())(0, 'x')
  await clock.pass(WINDOW)
  chunks.forget(attempt())
  await settled()
  assert.equal(removed, [])
  release()
  await settled()
  assert.equal(removed, ['t1'])
})

test('a store that is away costs the pieces and never the stream', async () => {
  const { chunks, clock, batches, fail, warned } = log()
  fail()
  chunks.open(attempt())(0, 'x')
  await clock.pass(WINDOW)
  chunks.open(attempt())(1, 'x')
  await clock.pass(WINDOW)
  assert.is(batches.length, 2)
  assert.is(warned(), 2)
})

test.run()
