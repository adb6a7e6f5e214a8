/** Rows as a person reads them at a terminal. */
export function columns(heads: string[], rows: string[][]): string {
  const all = [heads.map((head) => head.toUpperCase()), ...rows]
  const widths = heads.map((_, at) => Math.max(...all.map((row) => (row[at] ?? '').length)))
  return all
    .map((row) =>
      row
        .map((cell, at) => cell.padEnd(widths[at] as number))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** Milliseconds as a person says them. */
export const span = (ms: number): string => (ms < 1_000 ? `${ms} ms ago` : `${(ms / 1_000).toFixed(1)} s ago`)
