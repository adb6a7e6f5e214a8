/** What a run is expected to show: `p99.firstToken<300,gaps=0,refused.mailbox.full<=5`. */
import { Misuse } from './misuse.ts'
import { type Point, type Report, points } from './report.ts'
import { type Counted, type Measure, counted, faults, keysOf, measures } from './tally.ts'

export interface Threshold {
  text: string
  /** What it is about, as `gaps`. */
  figure: string
  /** Undefined where nothing was measured. */
  found(report: Report): number | undefined
  holds(found: number): boolean
}

export interface Missed {
  text: string
  found: number | undefined
}

const comparisons: Record<string, (found: number, limit: number) => boolean> = {
  '<': (found, limit) => found < limit,
  '<=': (found, limit) => found <= limit,
  '>': (found, limit) => found > limit,
  '>=': (found, limit) => found >= limit,
  '=': (found, limit) => found === limit,
}

const form = /^\s*([\w.]+)\s*(<=|>=|<|>|=)\s*(\d+(?:\.\d+)?)\s*(ms|s)?\s*$/

export const readThresholds = (text: string): Threshold[] => text.split(',').map(readOne)

function readOne(text: string): Threshold {
  const [, name = '', comparison = '', value, unit] = form.exec(text) ?? []
  const compare = comparisons[comparison]
  if (!compare) throw new Misuse(`--expect takes thresholds like p99.firstToken<300,gaps=0, and "${text.trim()}" is none.`)
  const found = figureNamed(name)
  if (!found) throw new Misuse(unknown(name))
  const limit = Number(value) * (unit === 's' ? 1000 : 1)
  return { text: text.trim(), figure: name, found, holds: (figure) => compare(figure, limit) }
}

function figureNamed(name: string): Threshold['found'] | undefined {
  if (Object.hasOwn(counted, name)) return ({ counts }) => counts[name as Counted]
  if (name.startsWith('refused.')) return ({ refused }) => refused[name.slice('refused.'.length)] ?? 0
  const [, point = '', measure = ''] = /^(.+)\.(\w+)$/.exec(name) ?? []
  if (!Object.hasOwn(points, point) || !Object.hasOwn(measures, measure)) return undefined
  return ({ figures }) => figures[measure as Measure][point as Point]
}

const unknown = (name: string) =>
  `--expect knows no "${name}". It knows ${keysOf(points).join(', ')} of ${keysOf(measures).join(', ')} (as p99.firstToken, in ms), refused.CODE, and ${keysOf(counted).join(', ')}.`

/** Where nothing was measured, nothing was shown: that is missed as well. */
export function missedBy(report: Report, thresholds: readonly Threshold[]): Missed[] {
  return thresholds.flatMap(({ text, found, holds }) => {
    const figure = found(report)
    return figure !== undefined && holds(figure) ? [] : [{ text, found: figure }]
  })
}

/** Where something was sent, something comes of it: a server that answers nobody makes no mistakes. */
const answersSomebody: Threshold = {
  text: 'answered>0',
  figure: 'answered',
  found: ({ counts: { sent, answered, stopped } }) => (sent === 0 ? 1 : answered + stopped),
  holds: (figure) => figure > 0,
}

/** What holds of every sound server: of its refusals none says that it is broken. */
export const noFaults: Threshold[] = readThresholds(
  [...keysOf(faults), 'refused.internal.error', 'refused.step.failed'].map((name) => `${name}=0`).join(','),
)

/** Who asks for more does not give up the rest: without faults all the same, but for a figure that is named, which then counts as it is named. */
export function withNoFaults(asked: readonly Threshold[]): Threshold[] {
  const named = new Set(asked.map(({ figure }) => figure))
  return [...noFaults, answersSomebody].filter(({ figure }) => !named.has(figure)).concat(asked)
}
