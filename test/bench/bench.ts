/**
 * What a benchmark is. To add one: a file that exports a `Benchmark`, and one line in `benchmarks.ts`.
 *
 * Every figure is held against a bare implementation of the same work in the same run: `interleaved` does ours, bare, ours, bare, …,
 * so that whatever else the machine does falls on both.
 */
import type { Machine } from './machine.ts'

export interface Options {
  /** Only shows that it runs: a few seconds, and no figure is judged. */
  short: boolean
  /** For how long a soak goes on. */
  minutes?: number | undefined
  /** A PostgreSQL server for the benchmarks that use one, and a Redis. */
  databaseUrl?: string | undefined
  redisUrl?: string | undefined
}

/** What a figure is held against. A ratio is ours over bare, taken round by round. */
export interface Bar {
  of: 'ours' | 'ratio'
  most?: number
  least?: number
}

export interface Row {
  what: string
  /** `µs` of CPU unless it says otherwise: `ms`, `KB`, `/s`, … */
  unit: string
  /** One figure a round, in the order of the rounds. */
  ours: number[]
  /** The same work done the barest correct way, in the same rounds. */
  bare?: number[]
  bar?: Bar
  /** What a reader has to know beside the figure. */
  note?: string
}

export interface Benchmark {
  name: string
  /** One line: what is measured, and what the bare implementation is. */
  about: string
  /** Cannot run without a PostgreSQL server (BENCH_DATABASE_URL or TEST_DATABASE_URL). */
  needsServer?: true
  /** Nor without Redis (BENCH_REDIS_URL or TEST_REDIS_URL). */
  needsRedis?: true
  run(options: Options): Promise<Row[]>
}

export interface Report {
  machine: Machine
  short: boolean
  benchmarks: { name: string; about: string; rows: Judged[]; seconds: number }[]
}

export interface Judged extends Row {
  /** Medians over the rounds. */
  figure: number
  bareFigure?: number
  ratio?: number
  /** Largest minus smallest over the median of what the bar is about, in percent; undefined after a single round. */
  spread?: number
  verdict?: 'ok' | 'missed'
}

/** Beyond this a figure says more of the machine than of the program. */
export const BUSY = 30

export function judge(row: Row): Judged {
  const figure = median(row.ours)
  const ratios = row.bare?.map((bare, round) => (row.ours[round] as number) / bare)
  const ratio = ratios && median(ratios)
  const spread = spreadOf(ratios ?? row.ours)
  const held = row.bar?.of === 'ratio' ? ratio : figure
  return {
    ...row,
    figure,
    ...(row.bare && { bareFigure: median(row.bare) }),
    ...(ratio !== undefined && { ratio }),
    ...(spread !== undefined && { spread }),
    ...(row.bar && held !== undefined && { verdict: keeps(row.bar, held) ? 'ok' : 'missed' }),
  }
}

/** A figure that is no number keeps no bar. */
const keeps = ({ most = Number.POSITIVE_INFINITY, least = Number.NEGATIVE_INFINITY }: Bar, held: number) => held <= most && held >= least

export function median(figures: number[]): number {
  const sorted = figures.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 ? (sorted[middle] as number) : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2
}

export function spreadOf(figures: number[]): number | undefined {
  if (figures.length < 2) return undefined
  const width = Math.max(...figures) - Math.min(...figures)
  return width === 0 ? 0 : (100 * width) / Math.abs(median(figures))
}

export interface Rounds {
  rounds: number
  ours(round: number): Promise<number>
  bare(round: number): Promise<number>
}

/** Ours, bare, ours, bare, … after one round of each to warm up. */
export async function interleaved({ rounds, ours, bare }: Rounds): Promise<{ ours: number[]; bare: number[] }> {
  const figures = { ours: [] as number[], bare: [] as number[] }
  for (let round = -1; round < rounds; round++) {
    const one = await ours(round)
    const other = await bare(round)
    if (round < 0) continue
    figures.ours.push(one)
    figures.bare.push(other)
  }
  return figures
}

/** The p-th part of sorted or unsorted samples, 0 < p < 1. */
export function quantile(samples: number[], p: number): number {
  const sorted = samples.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))] ?? Number.NaN
}
