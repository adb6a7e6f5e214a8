import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { quantile, upperBound } from './bound.ts'

test('no failure in n trials bounds the rate by 3/n', () => {
  assert.is(upperBound(0, 1_000), 0.003)
  assert.is(upperBound(0, 2), 1)
})

test('with failures the bound is the exact one', () => {
  // R: binom.test(k, n, alternative = 'less')$conf.int[2]
  for (const [failures, n, bound] of [
    [1, 10, 0.3941633],
    [2, 100, 0.0616164],
    [5, 1_000, 0.0104866],
  ] as const)
    assert.ok(Math.abs(upperBound(failures, n) - bound) < 1e-4, `${failures} of ${n}: ${upperBound(failures, n)}`)
  assert.is(upperBound(3, 3), 1)
})

test('a quantile is one of the values', () => {
  assert.is(quantile([3, 1, 2], 0.5), 2)
  assert.is(quantile([3, 1, 2], 0.99), 3)
  assert.is(quantile([], 0.5), undefined)
})

test.run()
