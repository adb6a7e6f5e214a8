import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { actorShards } from '../../../runtime/cluster/ownership.ts'
import { SHARDS } from '../../../runtime/cluster/shards.ts'

const having = (...held: number[]) => actorShards({ shards: SHARDS, held: () => held.map((shard) => ({ shard, epoch: 1 })) })
const every = Array.from({ length: SHARDS }, (_, shard) => shard)

test('whoever has every shard of actors names none, whatever jobs it has', () => {
  assert.is(having(...every), null)
  assert.is(having(...every, SHARDS, SHARDS + 1), null)
})

test('as many shards as actors have are not all of them where some are of jobs', () => {
  const most = every.slice(2)
  assert.equal(having(...most, SHARDS, SHARDS + 1), most)
  assert.equal(having(), [])
})

test.run()
