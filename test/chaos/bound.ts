/** What a run without failures tells: not that there are none, but how rare they are at most. */

/** The upper end of the one-sided 95 % interval for a rate, of `failures` in `n` trials: 3/n without one, else Clopper and Pearson's, exactly. */
export function upperBound(failures: number, n: number): number {
  if (n === 0) return 1
  if (failures === 0) return Math.min(1, 3 / n)
  if (failures >= n) return 1
  let [low, high] = [failures / n, 1]
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2
    if (atMost(failures, n, middle) > 0.05) low = middle
    else high = middle
  }
  return high
}

/** How likely it is to see at most k failures in n trials that each fail with this rate. */
function atMost(k: number, n: number, rate: number): number {
  let term = n * Math.log1p(-rate) // in logarithms, or it vanishes for large n
  let sum = Math.exp(term)
  for (let i = 1; i <= k; i++) {
    term += Math.log((n - i + 1) / i) + Math.log(rate) - Math.log1p(-rate)
    sum += Math.exp(term)
  }
  return sum
}

/** The value below which this part of all lies; undefined of nothing. */
export function quantile(values: readonly number[], part: number): number | undefined {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))]
}
