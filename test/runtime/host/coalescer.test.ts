import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createCoalescer } from '../../../runtime/host/coalescer.ts'
import { createWheel } from '../../../runtime/host/wheel.ts'
import { handClock } from '../../support/clock.ts'
import { random } from '../../support/random.ts'

function listening() {
  const clock = handClock()
  const frames: { offset: number; text: string; at: number }[] = []
  const coalescer = createCoalescer({
    clock,
    wheel: createWheel(clock),
    send: (offset, text) => frames.push({ offset, text, at: clock.now() }),
  })
  return { clock, frames, ...coalescer, whole: () => frames.map(({ text }) => text).join('') }
}

test('the first delta leaves at once, and so does one after a pause', () => {
  const { clock, frames, add } = listening()
  add('one')
  clock.move(1_000)
  add('two')
  assert.equal(
    frames.map(({ text }) => text),
    ['one', 'two'],
  )
})

test('deltas in between are joined, and none waits longer than 30 ms', () => {
  const { clock, frames, add } = listening()
  const said: number[] = []
  for (let n = 0; n < 100; n++) {
    add('x')
    said.push(clock.now())
    clock.move(3)
  }
  clock.move(100)
  let length = 0
  for (const { text, at } of frames) for (const _ of text) assert.ok(at - (said[length++] as number) <= 30)
  assert.is(length, 100)
  assert.ok(frames.length < 20, `${frames.length} frames`)
})

test('a frame leaves early when it is long or has many deltas', () => {
  const { frames, add } = listening()
  add('first')
  add('y'.repeat(4_096))
  for (let n = 0; n < 64; n++) add('z')
  assert.equal(
    frames.map(({ text }) => text.length),
    [5, 4_096, 64],
  )
})

test('a flush lets go of what waits, and nothing twice', () => {
  const { clock, frames, add, flush } = listening()
  add('a')
  add('b')
  flush()
  flush()
  clock.move(100)
  assert.equal(
    frames.map(({ offset, text }) => [offset, text]),
    [
      [0, 'a'],
      [1, 'b'],
    ],
  )
})

test('an empty delta is no frame', () => {
  const { frames, add } = listening()
  add('')
  assert.equal(frames, [])
})

test('offsets are contiguous and no frame ends inside a pair, however the text is split', () => {
  const alphabet = ['a', 'ß', '🎉', '👩‍👩‍👧', '𝒳', '\ud83d', '\udc00', '\n']
  for (let seed = 0; seed < 300; seed++) {
    const chance = random(seed)
    const { clock, frames, add, flush, whole } = listening()
    const text = `${Array.from({ length: 40 }, () => chance.pick(alphabet)).join('')}.`
    for (let from = 0; from < text.length; ) {
      const size = 1 + chance.below(4)
      add(text.slice(from, from + size))
      from += size
      clock.move(chance.below(40))
    }
    flush()
    assert.is(whole(), text.toWellFormed(), `seed ${seed}`)
    let length = 0
    for (const { offset, text } of frames) {
      assert.is(offset, length)
      assert.ok(text.isWellFormed())
      length += text.length
    }
  }
})

test.run()
