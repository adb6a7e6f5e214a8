/** What a run has shown, so that it can be kept and compared. */
import type { Machine } from '../bench/machine.ts'
import { type Encoded, quantileOf } from './histogram.ts'
import type { Plan } from './crew.ts'
import { type Measure, type Part, keysOf, measures } from './tally.ts'

export const points = { p50: 0.5, p95: 0.95, p99: 0.99, 'p99.9': 0.999, max: 1 } as const
export type Point = keyof typeof points

/** Milliseconds; absent where nothing was measured. */
export type Figures = { count: number } & { [P in Point]?: number }

export interface Report extends Part {
  version: 1
  /** ISO 8601. */
  startedAt: string
  seconds: number
  /** Somebody ended it before its time. */
  endedEarly?: true
  /** Nobody waited for what was open. */
  interrupted?: true
  settings: Omit<Plan, 'token'> & { workers: number }
  machine: Machine
  figures: Record<Measure, Figures>
}

export interface Circumstances {
  plan: Plan
  workers: number
  machine: Machine
  startedAt: number
  endedAt: number
  interrupted: boolean
  endedEarly?: boolean
}

export function reportOf(part: Part, { plan, workers, machine, startedAt, endedAt, interrupted, endedEarly }: Circumstances): Report {
  const { token: _, ...settings } = plan
  return {
    version: 1,
    startedAt: new Date(startedAt).toISOString(),
    seconds: Math.round(endedAt - startedAt) / 1000,
    ...(endedEarly && { endedEarly }),
    ...(interrupted && { interrupted }),
    settings: { ...settings, workers },
    machine,
    counts: part.counts,
    refused: part.refused,
    figures: Object.fromEntries(keysOf(measures).map((name) => [name, figuresOf(part.measures[name])])) as Report['figures'],
    complaints: part.complaints,
    measures: part.measures,
  }
}

export function figuresOf(encoded: Encoded): Figures {
  const values = keysOf(points).map((point) => [point, quantileOf(encoded, points[point])] as const)
  const figures = values.flatMap(([point, value]) => (value === undefined ? [] : [[point, Math.round(value * 1000) / 1000] as const]))
  return { count: encoded.count, ...Object.fromEntries(figures) }
}
