/** A report in words, for a terminal. */
import { BUSY, type Judged, type Report } from './bench.ts'
import type { Machine } from './machine.ts'

export const machineLine = ({ cpu, cores, memoryGb, kernel, node, postgres, redis, commit, load }: Machine): string =>
  [`${cpu}, ${cores} cores, ${memoryGb} GB`, kernel, `Node ${node}`, postgres, redis, `commit ${commit}`, `load ${load}`]
    .filter(Boolean)
    .join(' · ')

export function tableOf({ name, about, rows, seconds }: Report['benchmarks'][number], short: boolean): string {
  const lines = [['', 'ours', 'bare', 'ratio', 'spread', 'bar'], ...rows.map((row) => cellsOf(row, short))]
  const widths = lines[0]?.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0))) ?? []
  const table = lines.map(
    (line) => `  ${line.map((cell, column) => (column ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[0] ?? 0))).join('  ')}`,
  )
  const notes = rows.filter(({ note }) => note).map(({ what, note }) => `  ${what}: ${note}`)
  const busy = short
    ? []
    : rows.filter(isBusy).map(({ what, spread }) => `  ${what}: busy machine: spread ${Math.round(spread as number)} %`)
  return [`${name} (${about}; ${seconds.toFixed(0)} s)`, ...table.map((line) => line.trimEnd()), ...notes, ...busy].join('\n')
}

export const isBusy = ({ spread }: Judged) => spread !== undefined && !(spread <= BUSY)

function cellsOf({ what, unit, figure, bareFigure, ratio, spread, bar, verdict }: Judged, short: boolean): string[] {
  return [
    what,
    `${plain(figure)} ${unit}`,
    bareFigure === undefined ? '' : `${plain(bareFigure)} ${unit}`,
    ratio === undefined ? '' : plain(ratio),
    spread === undefined ? '' : `${Math.round(spread)} %`,
    bar ? `${barText(bar, unit)}${short ? '' : `  ${verdict}`}` : '',
  ]
}

function barText({ of, most, least }: NonNullable<Judged['bar']>, unit: string): string {
  const limit = most === undefined ? `≥ ${plain(least as number)}` : `≤ ${plain(most)}`
  return `${limit} ${of === 'ratio' ? '×' : unit}`
}

/** Three digits that count, and no more. */
export const plain = (figure: number): string =>
  !Number.isFinite(figure)
    ? String(figure)
    : Math.abs(figure) >= 100 || Number.isInteger(figure)
      ? Math.round(figure).toLocaleString('en')
      : figure.toPrecision(3)
