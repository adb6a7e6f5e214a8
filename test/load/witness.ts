/** Follows one conversation by the client's rules of the protocol, and blames whoever breaks one. Knows no socket and no clock. */
import type { Cursor, Joined } from '../../runtime/gateway/protocol.ts'
import type { Frame, Payload } from '../chaos/journal.ts'
import { type Ledger, createLedger, ends } from './ledger.ts'
import { createNumbers } from './numbers.ts'
import type { Fault, Tally } from './tally.ts'
import { createWords } from './words.ts'

export interface Heard {
  /** New words of this reply, or its end. */
  turn?: string
  /** Milliseconds since the frame of the same reply before. */
  sincePrevious?: number
}

export interface Witness {
  ledger: Ledger
  /** Something is missing, or the connection was lost: nothing is read until the next join. */
  isBehind(): boolean
  cursor(): Cursor
  /** The turn whose reply is being said. */
  speaking(): string | undefined
  /** Tells what is new in a frame that came by itself. */
  hear(frame: Frame, at: number): Heard
  join(answer: Joined, at: number): Heard
  /** The server has let us go, or asks us to come again; on a new connection nothing was told yet. */
  lapse(connection: 'lost' | 'kept'): void
  /** The server has told that it stops what is being said. */
  stopPromised(): void
  /** What has not come to its end is lost; with `early` nobody knows. */
  close(early: boolean): void
}

export function createWitness(conversation: string, tally: Tally): Witness {
  const blame = (fault: Fault, what: string) => tally.fault(fault, conversation, what)
  const ledger = createLedger(tally, blame)
  const numbers = createNumbers(blame)
  const words = createWords(blame)
  let behind = true
  let previous: { turn: string; attempt: number; at: number } | undefined
  /** Stops that were promised, and turns that were heard to be stopped. */
  let promised = 0
  let stopped = 0
  /** A join has jumped over events, so that not all was heard. */
  let jumped = false

  function fall(what: string): Heard {
    blame('gaps', what)
    behind = true
    return {}
  }

  function read([name, payload]: Frame, at: number, live: boolean): Heard {
    if (payload.seq !== undefined) {
      const last = numbers.last()
      const verdict = numbers.read(payload.seq)
      if (verdict === 'known') return {}
      if (verdict === 'hole') return fall(`${name} ${payload.seq} comes after ${last}`)
    }
    return apply(name, payload, at, live)
  }

  function apply(name: string, { turn = '', attempt = 0, ...payload }: Payload, at: number, live: boolean): Heard {
    if (name === 'reply.delta') return speak({ turn, attempt, offset: payload.offset ?? 0, text: payload.text ?? '' }, at, live)
    const end = ends[name]
    if (name === 'message.accepted' && typeof payload.message === 'object') ledger.accepted(payload.message.id, payload.message.seq)
    else if (name === 'turn.started' || name === 'turn.widened') ledger.begun(turn, payload.messages ?? [])
    else if (name === 'reply.retracted') {
      tally.count('retracted')
      words.retracted(turn, attempt)
    } else if (name === 'reply.finished' && typeof payload.message === 'object') {
      words.finished(turn, attempt, payload.message.text, live)
      ledger.spoken(turn, at)
      return { turn }
    } else if (end) {
      if (end === 'stopped') stopped++
      words.ended(turn, name)
      ledger.ended(turn, end, at)
      return { turn }
    }
    return {}
  }

  function speak(delta: { turn: string; attempt: number; offset: number; text: string }, at: number, live: boolean): Heard {
    const { turn, attempt } = delta
    const verdict = words.hear(delta, live)
    if (verdict === 'hole') return fall(`words of ${turn}/${attempt} go on at ${delta.offset}, behind a hole`)
    if (verdict === 'known') return {}
    ledger.spoken(turn, at)
    if (!live) return { turn }
    tally.count('frames')
    const sincePrevious = previous?.turn === turn && previous.attempt === attempt ? at - previous.at : undefined
    previous = { turn, attempt, at }
    return { turn, ...(sincePrevious !== undefined && { sincePrevious }) }
  }

  return {
    ledger,
    isBehind: () => behind,
    cursor: () => ({ seq: numbers.last(), ...words.place() }),
    speaking: () => words.voice()?.turn,
    hear(frame, at) {
      const { seq } = frame[1]
      if (seq !== undefined) numbers.told(seq)
      return behind ? {} : read(frame, at, true)
    },
    join(answer, at) {
      behind = false
      previous = undefined
      if (!answer.missed) {
        if (answer.seq < numbers.last()) blame('gaps', `the conversation stands at ${answer.seq} and stood at ${numbers.last()}`)
        jumped ||= numbers.last() > 0
        numbers.jump(answer.seq)
        ledger.jumped(answer)
      }
      let heard: Heard = {}
      for (const frame of (answer.missed ?? []) as Frame[]) if (!behind) heard = { ...heard, ...read(frame, at, false) }
      if (!behind && numbers.last() < answer.seq) fall(`the replay ends at ${numbers.last()} and says ${answer.seq}`)
      return !behind && answer.live && words.takeUp(answer.live, !answer.missed) ? { turn: answer.live.turn } : heard
    },
    lapse(connection) {
      behind = true
      if (connection === 'kept') return
      numbers.forget()
      words.forget()
    },
    stopPromised() {
      promised++
    },
    close(early) {
      ledger.close(early)
      if (!early && !jumped && promised > stopped) blame('unstopped', `${promised} stops were promised, ${stopped} turns were stopped`)
    },
  }
}
