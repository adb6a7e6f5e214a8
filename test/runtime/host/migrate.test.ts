import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Kind, kinds } from '../../../machines/index.ts'
import { migrated, unreachable } from '../../../runtime/host/migrate.ts'
import { seed } from '../../../runtime/host/tree.ts'

const current = kinds.conversation.version

test('a tree of the current version stays as it is', () => {
  const tree = seed()
  assert.is(migrated('conversation', current, tree), tree)
})

test('an unknown kind, a newer version and a missing path are refused', () => {
  assert.throws(() => migrated('teapot', 1, seed()), /does not know the kind/)
  assert.throws(() => migrated('conversation', current + 1, seed()), /newer than this program/)
  assert.throws(() => migrated('conversation', 0, seed()), /no migration leads from machine version 0/)
})

test('migrations run one after the other', () => {
  const conversation = kinds.conversation as Kind
  const before = { version: conversation.version, migrations: conversation.migrations }
  try {
    Object.assign(conversation, {
      version: 3,
      migrations: {
        1: (tree: unknown) => ({ ...(tree as object), seq: 10 }),
        2: (tree: unknown) => ({ ...(tree as { seq: number }), seq: (tree as { seq: number }).seq + 1 }),
      },
    })
    assert.is(migrated('conversation', 1, seed()).seq, 11)
    assert.equal(unreachable([{ kind: 'conversation', version: 1, actors: 2 }]), [])
  } finally {
    Object.assign(conversation, before)
  }
})

test('the start says every stored version that cannot be reached', () => {
  assert.equal(unreachable([{ kind: 'conversation', version: current, actors: 3 }]), [])
  assert.is(
    unreachable([
      { kind: 'teapot', version: 1, actors: 1 },
      { kind: 'conversation', version: current + 1, actors: 1 },
      { kind: 'conversation', version: 0, actors: 1 },
    ]).length,
    3,
  )
})

test.run()
