/** A report in words, for a terminal. */
import { machineLine, plain } from '../bench/table.ts'
import { type Encoded, between } from './histogram.ts'
import { type Report, points } from './report.ts'
import { shareText } from './scenarios.ts'
import { type Measure, type Part, counted, faults, keysOf, measures } from './tally.ts'

const BAR = 40
const SHAPE = 10
/** Milliseconds of our own delay, at p99, beyond which the figures are no longer the server's alone. */
const BEHIND = 50
const EIGHTHS = '▁▂▃▄▅▆▇█'

/** A first row of headings, a first column of names, figures to the right. */
export function columns(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]?.map((_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0))) ?? []
  const line = (row: readonly string[]) => row.map((cell, at) => (at ? cell.padStart(widths[at] ?? 0) : cell.padEnd(widths[0] ?? 0)))
  return rows.map((row) => `  ${line(row).join('  ')}`.trimEnd()).join('\n')
}

export const settingsLine = ({ settings: { sockets, urls, shares, rate, duration }, seconds }: Report): string =>
  `${plain(sockets)} sockets at ${urls.join(', ')} · ${shareText(shares)} · ${plain(rate)} messages a second for ${plain(duration)} s (${plain(seconds)} s in all)`

export function tableOf(report: Report): string {
  const measured = keysOf(measures).filter((name) => report.figures[name].count > 0)
  const rows = measured.map((name) => {
    const { count, ...figures } = report.figures[name]
    return [measures[name], plain(count), ...keysOf(points).map((point) => ms(figures[point])), shapeOf(report.measures[name])]
  })
  const told: Measure = report.figures.firstToken.count > 0 ? 'firstToken' : 'connect'
  return [
    settingsLine(report),
    machineLine(report.machine),
    '',
    columns([['milliseconds', 'count', ...keysOf(points), 'shape'.padEnd(SHAPE)], ...rows]),
    ...(report.figures[told].count > 0 ? ['', `  ${measures[told]}`, barsOf(report.measures[told])] : []),
    '',
    countsOf(report),
    ...complaintsOf(report),
    ...((report.figures.late.p99 ?? 0) > BEHIND
      ? ['', '  We ourselves were late: these figures are also ours. More --workers, or a machine of our own, would help.']
      : []),
    ...(report.endedEarly ? ['', `  Ended by hand after ${Math.round(report.seconds)} s.`] : []),
    ...(report.interrupted ? ['', '  Interrupted: what was open then was not judged.'] : []),
  ].join('\n')
}

export const ms = (value: number | undefined): string => (value === undefined ? '–' : plain(value))

function countsOf({ counts, refused }: Part): string {
  const codes = Object.entries(refused).map(([code, times]) => `${code} ${plain(times)}`)
  const name = (key: keyof typeof counted) =>
    `${counted[key]} ${plain(counts[key])}${key === 'refused' && codes.length > 0 ? ` (${codes.join(', ')})` : ''}`
  const isFault = (key: string) => Object.hasOwn(faults, key)
  const plainly = keysOf(counted).filter((key) => !isFault(key) && (counts[key] > 0 || key === 'sent' || key === 'answered'))
  return `  ${plainly.map(name).join(' · ')}\n  ${keysOf(faults).map(name).join(' · ')}`
}

function complaintsOf({ complaints }: Part): string[] {
  return complaints.length === 0
    ? []
    : ['', ...complaints.map(({ fault, conversation, what }) => `  ${faults[fault]}: ${what} (${conversation})`)]
}

/** From the smallest to the largest value, in equal ratios. */
function shapeOf(encoded: Encoded): string {
  const [from, to] = [Math.max(encoded.min, 0.001), Math.max(encoded.max, 0.001)]
  const counts = between(
    encoded,
    Array.from({ length: SHAPE + 1 }, (_, at) => from * (to / from) ** (at / SHAPE)),
  )
  const most = Math.max(...counts)
  return counts.map((count) => (count === 0 ? ' ' : EIGHTHS[Math.ceil((count / most) * 8) - 1])).join('')
}

/** One bar for each of 1, 2, 5, 10, 20, 50 … milliseconds. */
export function barsOf(encoded: Encoded): string {
  const steps = Array.from({ length: 30 }, (_, at) => ([1, 2, 5][at % 3] as number) * 10 ** (Math.floor(at / 3) - 3))
  const first = Math.max(
    0,
    steps.findLastIndex((step) => step <= encoded.min),
  )
  const last = steps.findIndex((step) => step > encoded.max)
  const bounds = steps.slice(first, last + 1)
  const counts = between(encoded, bounds)
  const most = Math.max(...counts)
  return columns(
    counts.map((count, at) => {
      const bar = '█'.repeat(Math.ceil((count / most) * BAR))
      return [
        `${plain(bounds[at] as number)} – ${plain(bounds[at + 1] as number)} ms`.padStart(18),
        plain(count).padStart(8),
        bar.padEnd(BAR),
      ]
    }),
  )
}
