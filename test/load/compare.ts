/** Two reports side by side: what was before, what is now, and by how much they differ. */
import { readFile } from 'node:fs/promises'
import { Misuse } from './misuse.ts'
import { type Report, points } from './report.ts'
import { columns, ms, settingsLine } from './table.ts'
import { plain } from '../bench/table.ts'
import { counted, keysOf, measures } from './tally.ts'

export async function readReport(file: string): Promise<Report> {
  const text = await readFile(file, 'utf8').catch(() => {
    throw new Misuse(`${file} cannot be read.`)
  })
  try {
    const report = JSON.parse(text) as Report
    if (report.version === 1 && report.figures && report.counts) return report
  } catch {
    // no JSON: the same sentence
  }
  throw new Misuse(`${file} is no report that --json has written.`)
}

export function comparisonOf(a: Report, b: Report): string {
  const latencies = keysOf(measures).flatMap((name) =>
    keysOf(points).flatMap((point): string[][] => {
      const [before, after] = [a.figures[name]?.[point], b.figures[name]?.[point]]
      if (before === undefined && after === undefined) return []
      return [[`${measures[name]} ${point}`, ms(before), ms(after), percent(before, after)]]
    }),
  )
  const counts = keysOf(counted).flatMap((name): string[][] => {
    const [before, after] = [a.counts[name] ?? 0, b.counts[name] ?? 0]
    return before === 0 && after === 0 ? [] : [[counted[name], plain(before), plain(after), percent(before, after)]]
  })
  const head = (what: string) => [what, a.startedAt.slice(0, 16), b.startedAt.slice(0, 16), 'difference']
  return [
    `a: ${settingsLine(a)}; commit ${a.machine.commit}`,
    `b: ${settingsLine(b)}; commit ${b.machine.commit}`,
    ...differencesOf(a, b),
    '',
    columns([head('milliseconds'), ...latencies]),
    '',
    columns([head('counts'), ...counts]),
  ].join('\n')
}

/** Figures of different loads or machines say little beside each other. */
function differencesOf(a: Report, b: Report): string[] {
  const settings = ['sockets', 'rate', 'duration', 'ramp', 'shares', 'stormEvery', 'text', 'workers'] as const
  const differing = settings.filter((name) => JSON.stringify(a.settings[name]) !== JSON.stringify(b.settings[name]))
  const machines = (['cpu', 'cores', 'node'] as const).filter((name) => a.machine[name] !== b.machine[name])
  const all = [...differing, ...machines]
  return all.length > 0 ? [`Not the same load or machine: they differ in ${all.join(', ')}.`] : []
}

function percent(before: number | undefined, after: number | undefined): string {
  if (before === undefined || after === undefined) return '–'
  if (before === after) return '0 %'
  if (before === 0) return `+${plain(after)}`
  const by = ((after - before) / before) * 100
  return `${by > 0 ? '+' : ''}${plain(Math.abs(by) < 10 ? Math.round(by * 10) / 10 : Math.round(by))} %`
}
