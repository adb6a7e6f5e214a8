/** Many values in little room: how often each came is exact, the value itself to one percent. Histograms of several processes add up. */

/** Plain JSON; the buckets are those that hold something, in order. */
export interface Encoded {
  count: number
  min: number
  max: number
  sum: number
  buckets: [index: number, count: number][]
}

export interface Histogram {
  record(value: number): void
  add(other: Encoded): void
  /** The value that this part (0 to 1) of all does not exceed; undefined of nothing. */
  quantile(part: number): number | undefined
  encode(): Encoded
}

/** Each bucket reaches 2 % higher than the one below, so that its middle is never more than 1 % away from what it holds. */
const GROWTH = Math.log(1.02)
/** Smaller values, of milliseconds a microsecond, are all the same to us. */
const LEAST = 0.001

const bucketOf = (value: number): number => (value < LEAST ? -1 : Math.floor(Math.log(value / LEAST) / GROWTH))

const middleOf = (index: number): number => (index < 0 ? 0 : LEAST * Math.exp((index + 0.5) * GROWTH))

export const nothing: Encoded = { count: 0, min: 0, max: 0, sum: 0, buckets: [] }

export function createHistogram(): Histogram {
  const buckets = new Map<number, number>()
  let count = 0
  let min = Number.POSITIVE_INFINITY
  let max = 0
  let sum = 0
  return {
    record(value) {
      const index = bucketOf(value)
      buckets.set(index, (buckets.get(index) ?? 0) + 1)
      count++
      sum += value
      if (value < min) min = value
      if (value > max) max = value
    },
    add(other) {
      if (other.count === 0) return
      for (const [index, times] of other.buckets) buckets.set(index, (buckets.get(index) ?? 0) + times)
      count += other.count
      sum += other.sum
      min = Math.min(min, other.min)
      max = Math.max(max, other.max)
    },
    quantile: (part) => quantileOf(encode(), part),
    encode,
  }

  function encode(): Encoded {
    if (count === 0) return nothing
    return { count, min, max, sum, buckets: [...buckets].sort(([a], [b]) => a - b) }
  }
}

/** The nearest rank, as `Histogram.quantile`. */
export function quantileOf({ count, min, max, buckets }: Encoded, part: number): number | undefined {
  if (count === 0) return undefined
  const rank = Math.max(1, Math.ceil(part * count - 1e-9)) // 0.07 × 100 is a little more than 7
  if (rank >= count) return max
  let passed = 0
  for (const [index, times] of buckets) {
    passed += times
    if (passed >= rank) return Math.min(max, Math.max(min, middleOf(index)))
  }
  return max
}

/** How many values lie between one bound and the next; what lies below the first or above the last counts with its neighbour. */
export function between({ buckets }: Encoded, bounds: readonly number[]): number[] {
  const counts = bounds.slice(1).map(() => 0)
  for (const [index, times] of buckets) {
    const above = bounds.findIndex((bound) => middleOf(index) < bound)
    const at = above < 0 ? counts.length - 1 : Math.max(0, above - 1)
    counts[at] = (counts[at] as number) + times
  }
  return counts
}
