/** What somebody does in the middle of an answer, after a few of its frames: stops it, or stops reading; once for each answer, or never. */
import { type Entry as Noted, now } from '../chaos/journal.ts'
import type { Line } from './line.ts'
import type { Told } from './outbox.ts'
import type { Scenario } from './scenarios.ts'
import type { Tally } from './tally.ts'
import type { Witness } from './witness.ts'

export interface Chance {
  next(): number
  below(n: number): number
}

interface Needs {
  conversation: string
  scenario: Scenario
  chance: Chance
  witness: Witness
  line: Pick<Line, 'ask' | 'stall'>
  tally: Tally
  keep(entry: Noted): void
}

export interface Manners {
  /** A frame of a reply has come. */
  words(turn: string): void
  /** There is news of a reply: words, or its end. */
  news(turn: string, at: number): void
  /** What comes now may have waited for us. */
  isStalled(at: number): boolean
}

/** Frames of an answer after which it happens, at most. */
const FRAMES = 4
/** Milliseconds without reading, at most, and those in which what has piled up is still read. */
const STALL = 2_000
const PILE = 2_000

export function createManners({ conversation, scenario, chance, witness, line, tally, keep }: Needs): Manners {
  let due: { turn: string; frames: number } | undefined
  let stopping: { turn: string; at: number } | undefined
  let stalledUntil = 0

  function stop(turn: string) {
    const at = now()
    stopping = { turn, at }
    keep({ t: 'stop', at })
    line.ask('reply.stop', { conversation }, (answer: Told<{ stopped: boolean }>) => {
      if (!answer.ok) tally.refuse(answer.code)
      else if (answer.stopped) witness.stopPromised()
    })
  }

  function stall() {
    const at = now()
    const ms = STALL * (0.1 + 0.9 * chance.next())
    stalledUntil = at + ms + PILE
    keep({ t: 'stalled', at, ms })
    line.stall(ms)
  }

  return {
    words(turn) {
      if (!scenario.stops && !scenario.stalls) return
      if (due?.turn !== turn) due = { turn, frames: 1 + chance.below(FRAMES) }
      if (--due.frames !== 0) return
      for (const entry of witness.ledger.entriesOf(turn)) entry.disturbed = true
      if (scenario.stops) stop(turn)
      if (scenario.stalls) stall()
    },
    news(turn, at) {
      if (stopping?.turn !== turn || witness.speaking() === turn) return
      tally.measure('stop', at - stopping.at)
      stopping = undefined
    },
    isStalled: (at) => at <= stalledUntil,
  }
}
