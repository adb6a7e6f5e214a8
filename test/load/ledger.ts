/** What became of each message of one conversation: sent, acknowledged, taken up by a turn, ended; and what became of none. */
import type { Joined } from '../../runtime/gateway/protocol.ts'
import type { Blame } from './numbers.ts'
import type { Tally } from './tally.ts'

export type End = 'answered' | 'failed' | 'stopped'

export interface Entry {
  readonly id: string
  readonly text: string
  /** When it was to be sent; everything counts from here. */
  readonly intended: number
  tries: number
  /** The connection on which it is on its way. */
  on?: number | undefined
  acknowledged: boolean
  refused: boolean
  /** Its number, once anybody has told. */
  seq?: number
  turn?: string
  spoken: boolean
  end?: End
  /** We ourselves got in the way of its answer, so that its time says nothing. */
  disturbed: boolean
  /** A join has jumped over events that may have told its end. */
  jumped: boolean
}

export const ends: Readonly<Record<string, End>> = { 'turn.finished': 'answered', 'turn.failed': 'failed', 'turn.stopped': 'stopped' }

export interface Ledger {
  sent(id: string, text: string, intended: number): Entry
  acknowledged(entry: Entry, seq: number, at: number): void
  /** For good. */
  refused(entry: Entry): void
  /** Told to whoever watches. */
  accepted(id: string, seq: number): void
  begun(turn: string, ids: readonly string[]): void
  spoken(turn: string, at: number): void
  ended(turn: string, end: End, at: number): void
  /** Too much was missed: this is what there is. */
  jumped(answer: Joined): void
  /** Not acknowledged and not refused for good, oldest first. */
  unsettled(): Entry[]
  /** How many have not come to their end, or not to their acknowledgement. */
  waiting(): number
  entriesOf(turn: string): Entry[]
  /** Passes judgement on whatever has not ended; `early` when nobody waited for it. */
  close(early: boolean): void
}

export function createLedger(tally: Tally, blame: Blame): Ledger {
  const open = new Map<string, Entry>()
  /** Ended, for echoes. */
  const past = new Map<string, Entry>()
  /** The highest number that a turn has taken up. */
  let answered = 0
  const find = (id: string) => open.get(id) ?? past.get(id)
  const entriesOf = (turn: string) => [...open.values()].filter((entry) => entry.turn === turn && !entry.end)

  function settle(entry: Entry) {
    if ((!entry.end || !entry.acknowledged) && !entry.refused) return
    open.delete(entry.id)
    past.set(entry.id, entry)
    if (past.size > 100) past.delete(past.keys().next().value as string)
  }

  function number(entry: Entry, seq: number) {
    if (entry.seq !== undefined && entry.seq !== seq) blame('doubled', `${entry.id} is accepted as ${entry.seq} and as ${seq}`)
    entry.seq ??= seq
  }

  function end(entry: Entry, how: End, at?: number) {
    entry.end = how
    tally.count(how)
    if (at !== undefined && how === 'answered' && !entry.disturbed) tally.measure('endToEnd', at - entry.intended)
    settle(entry)
  }

  return {
    sent(id, text, intended) {
      const entry: Entry = {
        id,
        text,
        intended,
        tries: 0,
        acknowledged: false,
        refused: false,
        spoken: false,
        disturbed: false,
        jumped: false,
      }
      open.set(id, entry)
      tally.count('sent')
      return entry
    },
    acknowledged(entry, seq, at) {
      if (entry.acknowledged) return
      entry.acknowledged = true
      tally.count('acknowledged')
      tally.measure('acknowledgement', at - entry.intended)
      number(entry, seq)
      settle(entry)
    },
    refused(entry) {
      entry.refused = true
      settle(entry)
    },
    accepted(id, seq) {
      const entry = find(id)
      if (entry) number(entry, seq)
    },
    begun(turn, ids) {
      for (const id of ids) {
        const entry = find(id)
        if (!entry) continue
        entry.jumped = false
        const again = entry.turn !== undefined && entry.turn !== turn
        if (again && entry.end !== 'failed' && entry.end !== 'stopped')
          blame('doubled', `${id} is taken up by ${entry.turn} and by ${turn}`)
        if (!again && entry.seq !== undefined) {
          if (entry.seq < answered) blame('reorderings', `${turn} takes up ${entry.seq} behind ${answered}`)
          answered = Math.max(answered, entry.seq)
        }
        entry.turn = turn
      }
    },
    spoken(turn, at) {
      for (const entry of open.values()) {
        if (entry.turn !== turn || entry.spoken) continue
        entry.spoken = true
        tally.measure('firstToken', at - entry.intended)
      }
    },
    ended(turn, how, at) {
      for (const entry of entriesOf(turn)) end(entry, how, at)
    },
    jumped({ messages }) {
      for (const entry of [...open.values()].filter((one) => !one.end)) {
        const kept = messages.find(({ id }) => id === entry.id)
        if (kept) number(entry, kept.seq)
        entry.turn ??= kept?.turn
        entry.jumped = entry.seq !== undefined && (kept !== undefined || entry.seq < (messages[0]?.seq ?? 0))
        if (entry.turn !== undefined && messages.some(({ role, turn }) => role === 'assistant' && turn === entry.turn))
          end(entry, 'answered')
      }
    },
    unsettled: () => [...open.values()].filter(({ acknowledged, refused }) => !acknowledged && !refused),
    waiting: () => open.size,
    entriesOf,
    close(early) {
      for (const entry of open.values()) {
        if (early || (entry.acknowledged && entry.jumped)) {
          tally.count('unfinished')
          continue
        }
        if (!entry.acknowledged) blame('lostAcknowledgements', `${entry.id} was never acknowledged, in ${entry.tries} tries`)
        if (entry.seq !== undefined && !entry.end) blame('lost', `${entry.id} was accepted as ${entry.seq} and never came to an end`)
      }
      open.clear()
    },
  }
}
