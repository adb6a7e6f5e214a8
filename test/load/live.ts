/** How far a run has come, while it runs: one line that is written over at a terminal, a plain line now and then elsewhere. */
import { plain } from '../bench/table.ts'
import { quantileOf } from './histogram.ts'
import type { Glance, Run } from './run.ts'
import { faults, keysOf } from './tally.ts'

const BAR = 20
const AT_TERMINAL = 1_000
const ELSEWHERE = 5_000

export interface Out {
  isTTY?: boolean
  columns?: number
  write(text: string): unknown
}

export function liveLine({ phase, seconds, of, part, joined, waiting }: Glance): string {
  const { counts, measures } = part
  const done = of > 0 ? Math.min(1, seconds / of) : 1
  const bar = '█'.repeat(Math.round(done * BAR)).padEnd(BAR, '░')
  const p99 = quantileOf(measures.firstToken, 0.99)
  const wrong = keysOf(faults).reduce((sum, name) => sum + counts[name], 0)
  return [
    `${phase.padEnd(10)} ${bar} ${Math.floor(seconds)}/${Math.ceil(of)} s`,
    `${plain(joined)} joined`,
    `sent ${plain(counts.sent)}`,
    `answered ${plain(counts.answered)}`,
    `waiting ${plain(waiting)}`,
    ...(p99 === undefined ? [] : [`first token p99 ${plain(p99)} ms`]),
    ...(counts.refused > 0 ? [`refused ${plain(counts.refused)}`] : []),
    `faults ${plain(wrong)}`,
  ].join('  ')
}

/** Answers how to end it. */
export function follow(run: Run, out: Out): () => void {
  const show = async () => {
    const line = liveLine(await run.glance())
    if (over) return
    out.write(out.isTTY ? `\r\x1b[K${line.slice(0, (out.columns ?? 80) - 1)}` : `${line}\n`)
  }
  let over = false
  const timer = setInterval(() => void show().catch(() => {}), out.isTTY ? AT_TERMINAL : ELSEWHERE) // whoever waits for the run hears why
  return () => {
    over = true
    clearInterval(timer)
    if (out.isTTY) out.write('\r\x1b[K')
  }
}
