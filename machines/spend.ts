/** Sums of tokens and dollars over the calls of a turn. */
import type { Cost, Usage } from './message.ts'

export const nothing: Usage = { in: 0, out: 0 }

/** One unknown price makes the sum unknown: a part is not the whole. */
export const addCost = (a: Cost, b: Cost | undefined): Cost =>
  b === undefined ? a : a === 'unknown' || b === 'unknown' ? 'unknown' : a + b

export function addUsage(a: Usage, b: Usage | undefined): Usage {
  if (!b) return a
  const sum: Usage = { in: a.in + b.in, out: a.out + b.out }
  for (const part of ['cacheRead', 'cacheWrite', 'reasoning'] as const) {
    const total = (a[part] ?? 0) + (b[part] ?? 0)
    if (total) sum[part] = total
  }
  if (a.estimated || b.estimated) sum.estimated = true
  return sum
}
