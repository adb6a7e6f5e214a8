/** Reports and parts for tests, which name only what they are about. */
import { figuresOf } from './report.ts'
import type { Report } from './report.ts'
import { planOf } from './load.ts'
import { type Counts, type Measure, createTally, keysOf, measures } from './tally.ts'

export function sampleReport(
  counts: Partial<Counts> = {},
  measured: { [M in Measure]?: number[] } = {},
  refused: Record<string, number> = {},
): Report {
  const tally = createTally()
  for (const name of keysOf(measures)) for (const value of measured[name] ?? []) tally.measure(name, value)
  const part = tally.part()
  const { token: _, ...settings } = planOf({ urls: ['http://127.0.0.1:3000'], seed: 1 })
  return {
    version: 1,
    startedAt: '2026-11-28T07:00:00.000Z',
    seconds: 60,
    settings: { ...settings, workers: 2 },
    machine: { cpu: 'one', cores: 2, memoryGb: 8, kernel: 'Linux', node: 'v24', commit: 'abc', load: 0 },
    ...part,
    counts: { ...part.counts, ...counts },
    refused,
    figures: Object.fromEntries(keysOf(measures).map((name) => [name, figuresOf(part.measures[name])])) as Report['figures'],
  }
}
