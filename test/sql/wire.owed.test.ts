import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { message, ready, strings } from '../../sql/wire.messages.ts'
import { createOwed } from '../../sql/wire.owed.ts'
import { random } from '../support/random.ts'

const query = message('Q', strings('select 1'))
const round = Buffer.concat([message('P', strings('', 'select 2', '')), message('E', strings('')), message('S')])
const row = message('D', Buffer.alloc(300, 'Z'.charCodeAt(0)))

function owed() {
  let at = 0
  const one = createOwed(() => at)
  one.hear(Buffer.concat([message('R', Buffer.alloc(4)), ready('I')]))
  return {
    ...one,
    pass: (ms: number) => {
      at += ms
    },
  }
}

test('the start-up is answered, and then nothing is owed for as long as nobody asks', () => {
  let at = 0
  const one = createOwed(() => at)
  at = 70
  assert.is(one.silence(), 70)
  one.hear(ready('I'))
  at = 500
  assert.is(one.silence(), 0)
})

test('each round of questions owes one answer, and what comes on the way to it is a sign of life', () => {
  const { ask, hear, silence, pass } = owed()
  pass(1_000)
  ask(query)
  ask(round)
  pass(10)
  assert.is(silence(), 10)
  hear(row)
  pass(5)
  assert.is(silence(), 5)
  hear(ready('I'))
  pass(20)
  assert.is(silence(), 20, 'the second is owed still')
  hear(Buffer.concat([row, ready('I')]))
  pass(20)
  assert.is(silence(), 0)
})

test('whoever only asks what a statement looks like is owed that', () => {
  for (const answer of [message('T', Buffer.alloc(2)), message('n'), message('E', Buffer.alloc(1)), ready('I')]) {
    const { ask, hear, silence, pass } = owed()
    ask(Buffer.concat([message('P', strings('', 'select $1', '')), message('D', strings('S')), message('H')]))
    pass(30)
    assert.is(silence(), 30)
    hear(answer)
    pass(30)
    assert.is(silence(), 0)
  }
})

test('a transaction that is open owes nothing while nobody asks', () => {
  const { ask, hear, silence, pass } = owed()
  ask(query)
  hear(ready('T'))
  pass(60_000)
  assert.is(silence(), 0)
})

test('however both sides are cut into pieces, the same is owed', () => {
  const chance = random(7)
  const cut = (bytes: Buffer, take: (piece: Buffer) => void) => {
    for (let at = 0; at < bytes.length; ) {
      const length = 1 + chance.below(9)
      take(bytes.subarray(at, at + length))
      at += length
    }
  }
  for (let times = 0; times < 50; times++) {
    const { ask, hear, silence, pass } = owed()
    const rounds = 1 + chance.below(5)
    cut(Buffer.concat(Array.from({ length: rounds }, () => chance.pick([query, round]))), ask)
    for (let answered = 0; answered < rounds; answered++) {
      pass(1)
      assert.ok(silence() > 0, `${answered} of ${rounds}`)
      cut(Buffer.concat([row, ready('I')]), hear)
    }
    pass(1)
    assert.is(silence(), 0)
  }
})

test.run()
