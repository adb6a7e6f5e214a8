import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createChunkLog } from '../../../runtime/host/chunks.ts'
import { silent } from '../../../runtime/watch/log.ts'
import type { Chunk } from '../../../sql/chunks.ts'
import { handClock, settled } from '../../support/clock.ts'
import { within } from '../../support/within.ts'

const chunk = (start: number, turn = 't1'): Chunk => ({ tenant: 't', actor: 'c', turn, attempt: 1, start, text: 'x' })

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

test('pieces of all streams go to the store in one batch', async () => {
  const { chunks, clock, batches } = log()
  for (const turn of ['t1', 't2']) for (let n = 0; n < 3; n++) chunks.add(chunk(n, turn))
  await clock.pass(100)
  assert.equal(
    batches.map((batch) => batch.length),
    [6],
  )
})

test('a full batch does not wait', async () => {
  const { chunks, batches } = log()
  for (let n = 0; n < 256; n++) chunks.add(chunk(n))
  await settled()
  assert.is(batches[0]?.length, 256)
})

test('one batch at a time: what comes meanwhile is the next', async () => {
  const { chunks, clock, batches, release } = log({ slow: true })
  chunks.add(chunk(0))
  await clock.pass(100)
  for (let n = 1; n < 600; n++) chunks.add(chunk(n))
  await clock.pass(500)
  assert.is(batches.length, 1)
  release()
  await settled()
  assert.is(batches.length, 2)
  release()
})

test('settling waits until all that was added is kept', async () => {
  const { chunks, clock, batches, release } = log({ slow: true })
  chunks.add(chunk(0))
  await clock.pass(100)
  chunks.add(chunk(1))
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
  chunks.add(chunk(0))
  chunks.add(chunk(0, 't2'))
  chunks.forget(chunk(0))
  await clock.pass(100)
  assert.equal(
    batches.flat().map(({ turn }) => turn),
    ['t2'],
  )
  assert.equal(removed, [])
})

test('what is forgotten after it was written is removed, and not before the writing ended', async () => {
  const { chunks, clock, removed, release } = log({ slow: true })
  chunks.add(chunk(0))
  await clock.pass(100)
  chunks.forget(chunk(0))
  await settled()
  assert.equal(removed, [])
  release()
  await settled()
  assert.equal(removed, ['t1'])
})

test('a store that is away costs the pieces and never the stream', async () => {
  const { chunks, clock, batches, fail, warned } = log()
  fail()
  chunks.add(chunk(0))
  await clock.pass(100)
  chunks.add(chunk(1))
  await clock.pass(100)
  assert.is(batches.length, 2)
  assert.is(warned(), 2)
})

test.run()
