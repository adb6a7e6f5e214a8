/** How long people waited, as their own journals tell: for the acknowledgement, for the first word, from word to word. */
import type { Frame, Talk } from './journal.ts'

/** Milliseconds, by when the waiting ended. */
export interface Wait {
  at: number
  ms: number
}

export interface Waits {
  /** From the first time that a message was sent until it was told to be kept. */
  kept: Wait[]
  /** From then until the first sign of its answer: a word, or an end without one. */
  first: Wait[]
  /** Between two signs of one turn. */
  next: Wait[]
}

const signs = new Set(['reply.delta', 'reply.retracted', 'reply.finished', 'turn.finished', 'turn.failed', 'turn.stopped'])

/** Of sockets: server-sent events tell less about what is going on. */
export function waitsOf(talks: readonly Talk[]): Waits {
  const waits: Waits = { kept: [], first: [], next: [] }
  for (const talk of talks) if (talk.door === 'socket' && !talk.isPatient) read(talk, waits)
  return waits
}

function read({ entries }: Talk, waits: Waits) {
  const sent = new Map<string, number>()
  const kept = new Map<string, number>()
  /** The last sign of each turn that goes on. */
  const signed = new Map<string, number>()
  const turns = new Map<string, readonly string[]>()

  function hear([name, { turn = '', messages }]: Frame, at: number) {
    if (name === 'turn.started') turns.set(turn, messages ?? [])
    if (!signs.has(name)) return
    const before = signed.get(turn)
    if (before !== undefined) waits.next.push({ at, ms: at - before })
    else
      for (const message of turns.get(turn) ?? []) {
        const since = kept.get(message)
        if (since !== undefined) waits.first.push({ at, ms: Math.max(0, at - since) })
      }
    if (name.startsWith('turn.')) signed.delete(turn)
    else signed.set(turn, at)
  }

  for (const entry of entries) {
    const { at } = entry
    if (entry.t === 'sent' && !sent.has(entry.id)) sent.set(entry.id, at)
    if (entry.t === 'accepted' && !kept.has(entry.id)) {
      kept.set(entry.id, at)
      waits.kept.push({ at, ms: at - (sent.get(entry.id) ?? at) })
    }
    if (entry.t === 'heard') hear(entry.frame, at)
    if (entry.t === 'joined') for (const frame of entry.missed ?? []) hear(frame, at)
  }
}
