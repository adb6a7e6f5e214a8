import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { SHARDS, heirOf, shardOf } from '../../../runtime/cluster/shards.ts'

const fleet = (...names: string[]) => names.map((node) => ({ node, life: `${node}.1`, machines: { conversation: 1 } }))
const heirs = (nodes: ReturnType<typeof fleet>) => Array.from({ length: SHARDS }, (_, shard) => heirOf(shard, nodes)?.node)
const shares = (all: (string | undefined)[]) => {
  const counts = new Map<string | undefined, number>()
  for (const one of all) counts.set(one, (counts.get(one) ?? 0) + 1)
  return [...counts.values()]
}

test('an actor always lives in the same shard, and ten thousand of them in nearly all', () => {
  // A stored row has it: this may never change.
  assert.equal(['a', 'c1', '00000000-0000-4000-8000-000000000001'].map(shardOf), [300, 985, 418])
  const used = new Set(Array.from({ length: 10_000 }, (_, at) => shardOf(`conversation ${at}`)))
  assert.ok(used.size > 1_020, `${used.size} shards`)
})

test('every node has about its share', () => {
  for (const count of [2, 3, 5, 7]) {
    const names = Array.from({ length: count }, (_, at) => `node-${at}`)
    for (const share of shares(heirs(fleet(...names))))
      assert.ok(Math.abs(share - SHARDS / count) < (SHARDS / count) * 0.3, `${share} of ${SHARDS} for one of ${count}`)
  }
})

test('a node that goes moves its own shards and no other, and one that comes takes only for itself', () => {
  const before = heirs(fleet('a', 'b', 'c'))
  const without = heirs(fleet('a', 'b'))
  const more = heirs(fleet('a', 'b', 'c', 'd'))
  for (const [shard, owner] of before.entries()) {
    if (owner !== 'c') assert.is(without[shard], owner)
    assert.ok(more[shard] === owner || more[shard] === 'd')
  }
})

test('all nodes agree, in whatever order they know each other, and a new life changes nothing', () => {
  const [a, b, c] = fleet('a', 'b', 'c') as [ReturnType<typeof fleet>[0], ReturnType<typeof fleet>[0], ReturnType<typeof fleet>[0]]
  assert.equal(heirs([a, b, c]), heirs([c, { ...b, life: 'another' }, a]))
})

test('a shard goes only to a node that knows what is stored there', () => {
  const old = { node: 'old', life: 'o', machines: { conversation: 1 } }
  const young = { node: 'young', life: 'y', machines: { conversation: 2, document: 1 } }
  for (let shard = 0; shard < 64; shard++) {
    assert.is(heirOf(shard, [old, young], { conversation: 2 })?.node, 'young')
    assert.is(heirOf(shard, [old], { conversation: 2 }), undefined)
    assert.is(heirOf(shard, [old], { document: 1 }), undefined)
    assert.ok(heirOf(shard, [old, young], { conversation: 1 }))
  }
})

test.run()
