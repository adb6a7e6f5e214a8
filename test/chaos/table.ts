/** The table of a run, as people read it and as programs do. */
import { execFileSync } from 'node:child_process'
import { cpus, totalmem } from 'node:os'
import { quantile, upperBound } from './bound.ts'
import type { StoreKind } from './ground.ts'
import type { Tally, Violation } from './verdict.ts'
import type { Waits } from './waits.ts'

/** One scenario on one store. */
export interface Row {
  store: StoreKind
  scenario: string
  kills: boolean
  /** Faults that came about. */
  faults: number
  /** By instant, where the scenario has several. */
  what: Record<string, number>
  violations: Violation[]
  /** Milliseconds from the fault to the next word of each conversation that was being answered. */
  recoveries: number[]
  /** Of those that came after whatever the fault took was there again: milliseconds since then. */
  back: number[]
  tally: Tally
  /** Milliseconds that people waited in all, p50, p99 and at most: for an acknowledgement, the first word, the next one. */
  waits?: Record<keyof Waits, [p50?: number, p99?: number, most?: number]>
  skipped?: string
}

const shown = (ms: number | undefined) => (ms === undefined ? '–' : `${Math.round(ms)} ms`)
/** Violations that several conversations share count once for each. */
const failuresOf = ({ violations, faults }: Row) =>
  Math.min(faults, new Set(violations.map(({ conversation, what }) => conversation || what)).size)

export function tableOf(rows: readonly Row[]): string {
  const head = [
    'store',
    'scenario',
    'n',
    'failures',
    '95 % bound',
    'recovery p50',
    'p99',
    'once all is back p50',
    'p99',
    'messages',
    'failed honestly',
    'bought again',
  ]
  const lines = rows.map((row) => {
    if (row.skipped) return [row.store, row.scenario, 'skipped', row.skipped]
    const { tally, faults, recoveries, back } = row
    const messages = tally.answered + tally.stopped + tally.failed
    return [
      row.store,
      row.scenario,
      String(faults),
      String(failuresOf(row)),
      `≤ ${Number((100 * upperBound(failuresOf(row), faults)).toPrecision(2))} %`,
      shown(quantile(recoveries, 0.5)),
      shown(quantile(recoveries, 0.99)),
      shown(quantile(back, 0.5)),
      shown(quantile(back, 0.99)),
      String(messages),
      String(tally.failed),
      String(Math.max(0, tally.generations - tally.replies)),
    ]
  })
  const widths = head.map((title, at) =>
    Math.max(title.length, ...lines.filter((line) => line.length > 4 || at < 3).map((line) => (line[at] ?? '').length)),
  )
  const draw = (line: string[]) => `| ${line.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join(' | ')} |`
  return [draw(head), `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`, ...lines.map(draw)].join('\n')
}

/** How long people waited through it all. */
export function waitsTableOf(rows: readonly Row[]): string {
  const lines = rows.flatMap(({ scenario, waits }) =>
    waits ? [`| ${[scenario, ...Object.values(waits).map((ms) => ms.map(shown).join(', '))].join(' | ')} |`] : [],
  )
  return ['| scenario | kept p50, p99, at most | first word | next word |', '| --- | --- | --- | --- |', ...lines].join('\n')
}

/** A row as a program reads it. */
export function jsonOf(row: Row) {
  const { recoveries, back, faults, ...rest } = row
  const failures = failuresOf(row)
  const figures = (ms: number[]) => ({ n: ms.length, p50: quantile(ms, 0.5), p99: quantile(ms, 0.99) })
  return { ...rest, n: faults, failures, bound: upperBound(failures, faults), recovery: figures(recoveries), back: figures(back) }
}

export function totalsOf(rows: readonly Row[]): string {
  return (['pglite', 'postgres'] as const)
    .flatMap((store) => {
      const mine = rows.filter((row) => row.store === store && !row.skipped)
      if (mine.length === 0) return []
      const sum = (of: (row: Row) => number) => mine.reduce((all, row) => all + of(row), 0)
      const kills = sum((row) => (row.kills ? row.faults : 0))
      const failures = sum(failuresOf)
      const recoveries = mine.flatMap((row) => (row.kills ? row.recoveries : []))
      return [
        `${store}: ${kills} kills and ${sum((row) => (row.kills ? 0 : row.faults))} other faults, ${failures} failures; ` +
          `${sum(({ tally }) => tally.answered + tally.stopped + tally.failed)} messages, ${sum(({ tally }) => tally.replies)} answers, ` +
          `${sum(({ tally }) => tally.retracted)} attempts withdrawn; after a kill the next word at p50 ${shown(quantile(recoveries, 0.5))}, ` +
          `p99 ${shown(quantile(recoveries, 0.99))} (${recoveries.length} answers were cut)`,
      ]
    })
    .join('\n')
}

export function machine(): string {
  const git = (...args: string[]) => {
    try {
      return execFileSync('git', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
    } catch {
      return '' // a copy without its history
    }
  }
  const changed = git('status', '--porcelain', '--', 'runtime', 'actors', 'machines', 'sql', 'channels')
  const commit = `${git('rev-parse', '--short', 'HEAD') || 'unknown'}${changed ? ' with changes that are not committed' : ''}`
  const [first] = cpus()
  return `${cpus().length} × ${first?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GB, Node ${process.versions.node}, commit ${commit}`
}
