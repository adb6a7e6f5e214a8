import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createTurnstile } from '../../../runtime/gateway/turnstile.ts'

const turnOfTheLoop = () => new Promise<void>((resolve) => setImmediate(resolve))

/** Newcomers of whom each takes so many milliseconds, and who is in after each turn of the loop. */
function door(takes: number) {
  let now = 0
  const inside: number[] = []
  const pass = createTurnstile(() => now)
  const come = (...who: number[]) => {
    for (const one of who)
      pass(() => {
        now += takes
        inside.push(one)
      })
  }
  return { come, inside }
}

test('a crowd comes in a few at a time, in order, and the loop goes round in between', async () => {
  const { come, inside } = door(4)
  come(1, 2, 3, 4, 5, 6, 7)
  assert.equal(inside, [])
  const seen: number[] = []
  while (inside.length < 7) {
    await turnOfTheLoop()
    seen.push(inside.length)
  }
  assert.equal(seen, [3, 6, 7])
  assert.equal(inside, [1, 2, 3, 4, 5, 6, 7])
})

test('one whose turn takes long is let in all the same, and so are those behind it', async () => {
  const { come, inside } = door(50)
  come(1, 2)
  await turnOfTheLoop()
  assert.equal(inside, [1])
  come(3)
  for (let turns = 0; turns < 2; turns++) await turnOfTheLoop()
  assert.equal(inside, [1, 2, 3])
})

test('whoever comes to a door where nobody waits is in with the next turn', async () => {
  const { come, inside } = door(1)
  for (const one of [1, 2, 3]) {
    come(one)
    await turnOfTheLoop()
    assert.is(inside.at(-1), one)
  }
})

test('a newcomer that lets in another is no end of either', async () => {
  const inside: string[] = []
  const pass = createTurnstile(() => 0)
  pass(() => {
    inside.push('first')
    pass(() => void inside.push('second'))
  })
  for (let turns = 0; turns < 2; turns++) await turnOfTheLoop()
  assert.equal(inside, ['first', 'second'])
})

test.run()
