/** What is ours on the map, and the jobs in it. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createHoldings } from '../../../runtime/cluster/holdings.ts'

const JOB = 2

/** One node, whose life is `a.1`, on a map of three shards; the last is that of a job. */
function open() {
  const told: string[] = []
  const holdings = createHoldings({
    life: () => 'a.1',
    jobs: {
      start: (name) => void told.push(`start ${name}`),
      stop: async (name) => void told.push(`stop ${name}`),
      stopAll: () => void told.push('stop all'),
    },
    on: { lost() {}, gained() {}, charted() {} },
  })
  const map = { epochs: [1, 1, 1], lives: ['a.1', 'a.1', 'a.1'], machines: {}, jobs: { poll: JOB } }
  holdings.look()
  holdings.read([], map)
  return { holdings, map, told }
}

test('a job that was stopped for its heir is not begun again by whatever else moves', async () => {
  const { holdings, told } = open()
  assert.equal(told.splice(0), ['start poll'])
  await Promise.all(holdings.hold(new Set([JOB])))
  holdings.move([{ shard: 0, epoch: 2, life: 'b.1' }])
  assert.equal(told.splice(0), ['stop poll'])
  // The heir did not get it after all.
  holdings.letGo(new Set([JOB]))
  assert.equal(told, ['start poll'])
})

test('what is heard while a look is under way stays, and the next look shows the whole map', () => {
  const { holdings, map } = open()
  assert.is(holdings.look(), false)
  holdings.move([{ shard: 0, epoch: 2, life: 'b.1' }])
  holdings.read([], map)
  assert.equal([holdings.chart().lives[0], holdings.voiceOf(0), holdings.voiceOf(1)], ['b.1', undefined, 1])
  assert.is(holdings.look(), true)
  // By now the store would say so too, unless it has lost it.
  holdings.read([], map)
  assert.equal([holdings.chart().lives[0], holdings.voiceOf(0)], ['a.1', 1])
  assert.is(holdings.look(), false)
})

test.run()
