import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { changesBetween } from '../../../runtime/cluster/changes.ts'
import { type Chart, bequestOf, moved, neighbourOf, newest, planFor } from '../../../runtime/cluster/chart.ts'
import { SHARDS } from '../../../runtime/cluster/shards.ts'
import type { StoredNode } from '../../../sql/cluster.ts'

const LEASE = 5_000
const member = (node: string, more: Partial<StoredNode> = {}): StoredNode => ({
  node,
  life: `${node}.1`,
  draining: false,
  machines: { conversation: 1 },
  version: '1',
  url: null,
  key: 0,
  age: 100,
  ...more,
})
const chart = (nodes: StoredNode[], life = ''): Chart => ({
  nodes,
  epochs: Array(SHARDS).fill(1),
  lives: Array(SHARDS).fill(life),
  machines: {},
  jobs: {},
})

test('free shards are claimed by their heirs: each by one, and none is left', () => {
  const nodes = [member('a'), member('b'), member('c')]
  const claims = nodes.map(({ life }) => planFor(life, chart(nodes, 'dead.1'), LEASE).claim.map(({ shard }) => shard))
  assert.is(new Set(claims.flat()).size, SHARDS)
  assert.is(claims.flat().length, SHARDS)
})

test('what a dead node had comes to those who would have claimed it, and nobody is left out', () => {
  const nodes = [member('a'), member('b'), member('c')]
  const before = chart(nodes, 'a.1')
  before.lives[7] = 'b.1'
  const bequest = bequestOf('a.1', before, LEASE)
  assert.is(bequest.length, SHARDS - 1)
  assert.not.ok(bequest.some(({ shard, to }) => shard === 7 || to === 'a.1'))
  const after = { ...before, nodes: nodes.slice(1) }
  const claims = ['b.1', 'c.1'].flatMap((life) => planFor(life, after, LEASE).claim)
  const byShard = (one: { shard: number }, two: { shard: number }) => one.shard - two.shard
  assert.equal(bequest.sort(byShard), claims.sort(byShard))
})

test('nothing is claimed from an owner who lives: it gives what is not its own by right', () => {
  const nodes = [member('a'), member('b')]
  const plan = planFor('b.1', chart(nodes, 'a.1'), LEASE)
  assert.equal(plan.claim, [])
  const give = planFor('a.1', chart(nodes, 'a.1'), LEASE).give
  assert.ok(give.length > 300 && give.every(({ to }) => to === 'b.1'))
})

test('who drains gives everything, and keeps it where there is nobody else', () => {
  const leaving = member('a', { draining: true })
  assert.is(planFor('a.1', chart([leaving, member('b')], 'a.1'), LEASE).give.length, SHARDS)
  assert.equal(planFor('a.1', chart([leaving], 'a.1'), LEASE), { claim: [], give: [], orphans: 0 })
  assert.equal(planFor('a.1', chart([leaving, member('b', { age: LEASE })], 'a.1'), LEASE), { claim: [], give: [], orphans: 0 })
})

test('whoever knows too little neither claims nor is given anything', () => {
  const nodes = [member('a'), member('b', { machines: { conversation: 2 } })]
  const stored = {
    ...chart(nodes, 'dead.1'),
    machines: Object.fromEntries(Array.from({ length: SHARDS }, (_, at) => [at, { conversation: 2 }])),
  }
  assert.equal(planFor('a.1', stored, LEASE).claim, [])
  assert.is(planFor('a.1', stored, LEASE).orphans, 0)
  assert.is(planFor('a.1', { ...stored, nodes: [member('a')] }, LEASE).orphans, SHARDS)
  assert.is(planFor('b.1', stored, LEASE).claim.length, SHARDS)
})

test('a look that is older than a letter takes nothing back', () => {
  const known = chart([member('a')], 'a.1')
  const news = moved(known, [
    { shard: 3, epoch: 2, life: 'b.1' },
    { shard: 4, epoch: 1, life: 'b.1' },
  ])
  assert.equal(news, [{ shard: 3, epoch: 2, life: 'b.1' }])
  const heard = (shard: number) => shard === 3
  const merged = newest(known, [member('a'), member('b')], chart([], 'a.1'), heard)
  assert.equal([merged.lives[3], merged.epochs[3], merged.lives[4], merged.nodes.length], ['b.1', 2, 'a.1', 2])
  const later = chart([member('b')], 'c.1')
  later.epochs[3] = 3
  assert.is(newest(known, later.nodes, later, heard).lives[3], 'c.1')
})

test('what was known before a look was asked for is as the store says, also where the store has forgotten', () => {
  const known = chart([member('a')], 'a.1')
  moved(known, [{ shard: 3, epoch: 2, life: 'b.1' }])
  const merged = newest(known, [member('a')], chart([], 'a.1'), () => false)
  assert.equal([merged.lives[3], merged.epochs[3]], ['a.1', 1])
})

test('everybody is watched by somebody', () => {
  const nodes = ['c', 'a', 'b'].map((name) => member(name))
  assert.equal(
    ['a', 'b', 'c'].map((name) => neighbourOf(name, nodes)?.node),
    ['b', 'c', 'a'],
  )
  assert.is(neighbourOf('a', [member('a')]), undefined)
})

test('what has happened between two looks is told once', () => {
  const before = chart([member('a'), member('b')], 'a.1')
  const after = chart([member('a', { draining: true }), member('c')], 'a.1')
  after.lives[7] = after.lives[9] = 'c.1'
  assert.equal(changesBetween(before, after, 5), [
    ['node.changed', { node: 'a', state: 'draining', version: '1', at: 5 }],
    ['node.changed', { node: 'c', state: 'joined', version: '1', at: 5 }],
    ['node.changed', { node: 'b', state: 'gone', version: '1', at: 5 }],
    ['shard.moved', { node: 'c', shards: [7, 9], at: 5 }],
  ])
  assert.equal(changesBetween(after, after, 6), [])
})

test.run()
