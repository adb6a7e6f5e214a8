import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { interleaved, judge, quantile, spreadOf } from './bench.ts'
import { isBusy, tableOf } from './table.ts'

const row = { what: 'a frame', unit: 'µs' }

test('a ratio is taken round by round, so that what disturbs both disturbs nothing', () => {
  const judged = judge({ ...row, ours: [12, 24, 12], bare: [10, 20, 10], bar: { of: 'ratio', most: 1.5 } })
  assert.is(judged.ratio, 1.2)
  assert.is(judged.spread, 0)
  assert.is(judged.verdict, 'ok')
})

test('a bar is missed above its most and below its least, and by what is no number', () => {
  assert.is(judge({ ...row, ours: [6.1], bar: { of: 'ours', most: 6 } }).verdict, 'missed')
  assert.is(judge({ ...row, ours: [1999], bar: { of: 'ours', least: 2000 } }).verdict, 'missed')
  assert.is(judge({ ...row, ours: [2000], bar: { of: 'ours', least: 2000 } }).verdict, 'ok')
  assert.is(judge({ ...row, ours: [Number.NaN], bar: { of: 'ours', most: 6 } }).verdict, 'missed')
})

test('a spread of more than 30 % is told beside the figure', () => {
  const busy = judge({ ...row, ours: [10, 14, 10] })
  assert.ok(isBusy(busy))
  assert.match(tableOf({ name: 'frame', about: 'a frame', rows: [busy], seconds: 1 }, false), 'busy machine: spread 40 %')
  assert.not.ok(isBusy(judge({ ...row, ours: [10, 13, 10] })))
  assert.is(spreadOf([5]), undefined)
})

test('ours and bare take turns, and the first round of each only warms up', async () => {
  const order: string[] = []
  const side = (name: string) => async (round: number) => {
    order.push(`${name} ${round}`)
    return round
  }
  const figures = await interleaved({ rounds: 2, ours: side('ours'), bare: side('bare') })
  assert.equal(order, ['ours -1', 'bare -1', 'ours 0', 'bare 0', 'ours 1', 'bare 1'])
  assert.equal(figures, { ours: [0, 1], bare: [0, 1] })
})

test('a quantile is one of the samples', () => {
  assert.is(quantile([5, 1, 4, 2, 3], 0.5), 3)
  assert.is(quantile([1, 2], 0.99), 2)
})

test.run()
