import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Piece, type Slot, createRunner } from '../../../runtime/host/runner.ts'
import type { Envelope } from '../../../runtime/host/tree.ts'
import { silent } from '../../../runtime/watch/log.ts'
import { settled } from '../../support/clock.ts'
import { endless } from '../../support/heart.ts'
import { within } from '../../support/within.ts'

const piece = (more: Partial<Piece> = {}): Piece => ({ tenant: 't', actor: 'c', id: '1:1', src: 'work', input: 2, attempt: 1, ...more })

function runner(
  fill: Slot['fill'],
  { whenLost = 'repeat' as Slot['whenLost'], tell = async () => {} }: { whenLost?: Slot['whenLost']; tell?: () => Promise<void> } = {},
) {
  const told: Envelope[] = []
  const kept: (object | null)[] = []
  const made = createRunner({
    slots: { work: { fill, whenLost } },
    log: silent,
    keep: async (_, what) => void kept.push(what),
    async tell(_, envelope) {
      told.push(envelope)
      await tell()
    },
  })
  return { ...made, told, kept }
}

const double = (async (n: number) => n * 2) as Slot['fill']

test('work ends in one envelope', async () => {
  const { start, told, quiet } = runner(double)
  start(piece())
  await within(1_000, quiet(1_000))
  assert.equal(told, [{ call: '1:1', output: 4 }])
})

test('the same piece begun twice runs once', async () => {
  let ran = 0
  const { start, quiet } = runner((async () => void ran++) as Slot['fill'])
  start(piece())
  start(piece())
  await quiet(1_000)
  assert.is(ran, 1)
})

test('work that throws ends in its error, also when it throws at once', async () => {
  for (const fill of [
    async () => Promise.reject(new Error('no')),
    () => {
      throw new Error('no')
    },
  ] as Slot['fill'][]) {
    const { start, told, quiet } = runner(fill)
    start(piece())
    await quiet(1_000)
    assert.is((told[0] as { error: Error }).error.message, 'no')
  }
})

test('a slot that nobody fills says so', async () => {
  const { start, told, quiet } = runner(double)
  start(piece({ src: 'nobody' }))
  await quiet(1_000)
  assert.is((told[0] as { error: { kind: string } }).error.kind, 'unfilled')
})

test('cancelled work is aborted and tells nothing', async () => {
  const { start, cancel, told, count } = runner(endless)
  start(piece())
  cancel(piece())
  await settled()
  assert.equal(told, [])
  assert.is(count(), 0)
})

test('work adopted from a dead node is repeated or told as lost, as its slot says', async () => {
  const repeated = runner(double)
  repeated.start(piece({ attempt: 2 }))
  await repeated.quiet(1_000)
  assert.equal(repeated.told, [{ call: '1:1', output: 4 }])

  const told = runner(double, { whenLost: 'tell' })
  told.start(piece({ attempt: 2 }))
  await told.quiet(1_000)
  assert.is((told.told[0] as { error: { kind: string } }).error.kind, 'lost')
})

test('work that has kept something to go on with goes on', async () => {
  const seen: unknown[] = []
  const { start, quiet, kept, told } = runner(
    (async (_: number, work: { kept?: unknown; keep(what: object): void }) => {
      seen.push(work.kept)
      work.keep({ at: 7 })
      return 'done'
    }) as Slot['fill'],
    { whenLost: 'tell' },
  )
  start(piece({ attempt: 2, kept: { at: 3 } }))
  await quiet(1_000)
  assert.equal(seen, [{ at: 3 }])
  assert.equal(kept, [{ at: 7 }])
  assert.equal(told, [{ call: '1:1', output: 'done' }])
})

test('work counts as running until its end is told, so that nobody begins it again meanwhile', async () => {
  let go = () => {}
  const { start, isRunning, count } = runner(double, { tell: () => new Promise<void>((resolve) => (go = resolve)) })
  start(piece())
  await settled()
  assert.is(isRunning(piece()), true)
  go()
  await settled()
  assert.is(isRunning(piece()), false)
  assert.is(count(), 0)
})

test('a node that leaves aborts everything and speaks no more', async () => {
  const { start, abandon, told } = runner(endless)
  start(piece())
  abandon()
  start(piece({ id: '1:2' }))
  await settled()
  assert.equal(told, [])
})

test('quiet does not wait for ever', async () => {
  const { start, quiet, abandon } = runner(endless)
  start(piece())
  await within(1_000, quiet(5))
  abandon()
})

test.run()
