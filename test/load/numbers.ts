/** The numbers of durable events: without gaps, in order, and nothing told twice on one connection. */
import type { Fault } from './tally.ts'

export type Blame = (fault: Fault, what: string) => void
/** What a number means to whoever has read up to the one before: goes on, is known already, or something is missing. */
export type Verdict = 'new' | 'known' | 'hole'

export interface Numbers {
  /** The last one that was read. */
  last(): number
  /** Told by itself, and not in the answer to a join. Noted even while nobody reads. */
  told(seq: number): void
  read(seq: number): Verdict
  /** Goes on from there. */
  jump(seq: number): void
  /** A new connection: nothing was told on it. */
  forget(): void
}

export function createNumbers(blame: Blame): Numbers {
  let last = 0
  let live = new Set<number>()
  let highest = 0
  return {
    last: () => last,
    told(seq) {
      // What a join has brought may be told a moment later; only what was told by itself, and is so again, comes twice.
      if (live.has(seq)) blame('duplicates', `event ${seq} is told twice`)
      else if (seq < highest) blame('reorderings', `event ${seq} comes behind ${highest}`)
      live.add(seq)
      highest = Math.max(highest, seq)
    },
    read(seq) {
      if (seq <= last) return 'known'
      if (seq > last + 1) return 'hole'
      last = seq
      return 'new'
    },
    jump(seq) {
      last = seq
    },
    forget() {
      live = new Set()
      highest = 0
    },
  }
}
