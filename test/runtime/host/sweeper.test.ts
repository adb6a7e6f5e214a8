import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createSweeper } from '../../../runtime/host/sweeper.ts'
import { silent } from '../../../runtime/watch/log.ts'
import { handClock } from '../../support/clock.ts'

function table() {
  const clock = handClock(0)
  const armed = new Map<string, number>()
  const rung: [string, number][] = []
  const stuck = new Set<string>()
  let away = false
  let looks = 0
  const sweeper = createSweeper({
    clock,
    log: silent,
    async look(until, most) {
      looks++
      if (away) throw new Error('the store is away')
      const all = [...armed].sort(([, a], [, b]) => a - b)
      const due = all.filter(([, at]) => at <= until).slice(0, most)
      return { due: due.map(([id]) => ({ tenant: 't', actor: 'c', id })), next: all.find(([, at]) => at > until)?.[1] }
    },
    async ring({ id }) {
      if (stuck.has(id)) return false
      armed.delete(id)
      rung.push([id, clock.now()])
      return true
    },
  })
  const arm = (id: string, at: number) => {
    armed.set(id, at)
    sweeper.notice(at)
  }
  return { clock, sweeper, arm, armed, rung, stuck, looks: () => looks, leave: (is: boolean) => (away = is) }
}

test('a timer rings when it is due, on the millisecond', async () => {
  const { clock, sweeper, arm, rung } = table()
  sweeper.start()
  await clock.pass(100)
  arm('a', 350)
  arm('b', 220)
  await clock.pass(1_000)
  assert.equal(rung, [
    ['b', 220],
    ['a', 350],
  ])
})

test('what another node armed rings within a second', async () => {
  const { clock, sweeper, armed, rung } = table()
  sweeper.start()
  await clock.pass(100)
  armed.set('theirs', 150)
  await clock.pass(1_000)
  assert.is(rung.length, 1)
})

test('a thousand timers that nobody can take keep no other from its turn, and are tried again', async () => {
  const { clock, sweeper, armed, rung, stuck } = table()
  for (let n = 0; n < 1_000; n++) {
    armed.set(`stuck${n}`, n)
    stuck.add(`stuck${n}`)
  }
  armed.set('well', 2_000)
  sweeper.start()
  await clock.pass(5_000)
  assert.is(rung.length, 1)
  stuck.clear()
  await clock.pass(70_000)
  assert.is(rung.length, 1_001)
})

test('what was due while nobody swept rings at the start', async () => {
  const { clock, sweeper, armed, rung } = table()
  armed.set('old', -5_000)
  sweeper.start()
  await clock.pass(0)
  assert.equal(rung, [['old', 0]])
})

test('what is armed while it sweeps is not forgotten', async () => {
  const { clock, sweeper, arm, armed, rung } = table()
  sweeper.start()
  armed.set('x', 0)
  const { due } = { due: clock.after(0, () => arm('y', 40)) }
  assert.ok(due)
  await clock.pass(100)
  assert.equal(rung.map(([id]) => id).sort(), ['x', 'y'])
})

test('a store that is away for a while costs a second and no timer', async () => {
  const { clock, sweeper, arm, rung, leave } = table()
  sweeper.start()
  leave(true)
  arm('a', 50)
  await clock.pass(3_000)
  leave(false)
  await clock.pass(1_000)
  assert.equal(
    rung.map(([id]) => id),
    ['a'],
  )
})

test('stopped it rests, and started again it rings', async () => {
  const { clock, sweeper, arm, looks, rung } = table()
  sweeper.start()
  await clock.pass(10)
  sweeper.stop()
  const before = looks()
  await clock.pass(5_000)
  assert.is(looks(), before)
  arm('a', 1)
  sweeper.start()
  await clock.pass(1_000)
  assert.is(rung.length, 1)
})

test.run()
