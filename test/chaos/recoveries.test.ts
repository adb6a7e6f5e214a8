import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { recoveriesOf } from './recoveries.ts'

test('a wait counts from its fault, and once more from when everything was back', () => {
  const found = recoveriesOf([{ struck: 1_000, spoke: 4_000 }], [500, 3_400, 9_000], 15_000)
  assert.equal(found, { all: [3_000], back: [600], late: [] })
})

test('whose word came before everything was back did not wait for it', () => {
  assert.equal(recoveriesOf([{ struck: 1_000, spoke: 1_200 }], [3_400], 15_000).back, [])
  assert.equal(recoveriesOf([{ struck: 1_000, spoke: 1_200 }], [], 15_000).back, [])
})

test('silence is late only from when everything was there', () => {
  const waits = [
    { struck: 0, spoke: 20_000 },
    { struck: 30_000, spoke: 50_000 },
  ]
  assert.equal(recoveriesOf(waits, [19_000], 15_000).late, [20_000])
})

test.run()
