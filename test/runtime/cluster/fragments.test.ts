import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createFragments } from '../../../runtime/cluster/fragments.ts'

const part = (n: number, part: number, parts: number, piece: string, way = 0) => ({
  from: { node: 'a', life: '1' },
  n,
  way,
  part,
  parts,
  piece,
})

test('parts become the whole in whatever order they come, and nothing of them stays', () => {
  const fragments = createFragments(100)
  assert.is(fragments.add(part(1, 2, 3, 'c')), undefined)
  assert.is(fragments.add(part(1, 0, 3, 'a')), undefined)
  assert.is(fragments.add(part(1, 1, 3, 'b')), 'abc')
  assert.is(fragments.units(), 0)
})

test('a part that comes twice counts once', () => {
  const fragments = createFragments(100)
  fragments.add(part(1, 0, 3, 'aaaa'))
  assert.is(fragments.add(part(1, 0, 3, 'aaaa')), undefined)
  assert.is(fragments.units(), 4)
  fragments.add(part(1, 1, 3, 'b'))
  assert.is(fragments.add(part(1, 2, 3, 'c')), 'aaaabc')
})

test('batches, and ways of one batch, are kept apart', () => {
  const fragments = createFragments(100)
  fragments.add(part(1, 0, 2, 'a'))
  fragments.add(part(2, 0, 2, 'b'))
  fragments.add(part(1, 0, 2, 'c', 1))
  assert.is(fragments.add(part(1, 1, 2, 'x', 1)), 'cx')
  assert.is(fragments.add(part(2, 1, 2, 'y')), 'by')
  assert.is(fragments.add(part(1, 1, 2, 'z')), 'az')
})

test('what is not whole when too much is held is given up, the oldest first', () => {
  const fragments = createFragments(10)
  fragments.add(part(1, 0, 2, 'aaaa'))
  fragments.add(part(2, 0, 2, 'bbbb'))
  fragments.add(part(3, 0, 2, 'cccc'))
  assert.is(fragments.units(), 8)
  assert.is(fragments.add(part(2, 1, 2, '')), 'bbbb')
  assert.is(fragments.add(part(3, 1, 2, '')), 'cccc')
  assert.is(fragments.add(part(1, 1, 2, '')), undefined)
  fragments.add(part(4, 0, 2, 'd'.repeat(11)))
  assert.is(fragments.units(), 0)
})

test('what has become useless is forgotten', () => {
  const fragments = createFragments(100)
  fragments.add(part(1, 0, 2, 'a'))
  fragments.add(part(2, 0, 2, 'b', 1))
  fragments.add(part(3, 0, 2, 'c'))
  fragments.forget(2)
  assert.is(fragments.units(), 1)
  assert.is(fragments.add(part(3, 1, 2, 'd')), 'cd')
})

test.run()
