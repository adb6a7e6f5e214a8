import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Encoded, between, createHistogram, quantileOf } from './histogram.ts'

/** From a microsecond to a few hours, in milliseconds, small ones as often as large ones. */
const values = fc.array(
  fc.double({ min: -3, max: 7, noNaN: true }).map((exponent) => 10 ** exponent),
  { minLength: 1, maxLength: 300 },
)

const histogramOf = (all: readonly number[]) => {
  const histogram = createHistogram()
  all.forEach(histogram.record)
  return histogram
}

const nearestRank = (all: readonly number[], part: number) =>
  all.toSorted((a, b) => a - b)[Math.max(1, Math.ceil(part * all.length)) - 1] as number

test('every quantile is within one percent of the value itself', () => {
  fc.assert(
    fc.property(values, fc.constantFrom(0.01, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1), (all, part) => {
      const exact = nearestRank(all, part)
      const told = histogramOf(all).quantile(part) as number
      assert.ok(Math.abs(told - exact) <= exact * 0.01, `${told} instead of ${exact}`)
    }),
    { numRuns: 300 },
  )
})

test('histograms of several processes add up to that of one, also by way of JSON', () => {
  fc.assert(
    fc.property(fc.array(values, { minLength: 1, maxLength: 4 }), (processes) => {
      const whole = createHistogram()
      for (const all of processes) whole.add(JSON.parse(JSON.stringify(histogramOf(all).encode())) as Encoded)
      const { sum, ...told } = whole.encode()
      const { sum: exact, ...expected } = histogramOf(processes.flat()).encode()
      assert.equal(told, expected)
      assert.ok(Math.abs(sum - exact) <= exact * 1e-9)
    }),
  )
})

test('nothing is no value, and nothing added changes nothing', () => {
  const histogram = createHistogram()
  assert.is(histogram.quantile(0.5), undefined)
  histogram.add(createHistogram().encode())
  assert.is(histogram.encode().count, 0)
  histogram.record(0)
  assert.is(quantileOf(histogram.encode(), 0.5), 0)
})

test('values are counted between bounds, those beyond with their neighbours', () => {
  assert.equal(between(histogramOf([0.5, 1.5, 1.6, 3, 3, 9]).encode(), [1, 2, 4]), [3, 3])
})

test.run()
