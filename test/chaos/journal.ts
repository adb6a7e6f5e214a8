/** What the witness writes down, as it happens: everything a client said and heard, and when. The verdict is made from it. */
import { createWriteStream } from 'node:fs'
import type { Cursor, Joined } from '../../runtime/gateway/protocol.ts'

export type Frame = readonly [name: string, payload: Payload]

/** A frame's payload, as far as the rules of reading look at it. */
export interface Payload {
  conversation?: string
  seq?: number
  turn?: string
  attempt?: number
  offset?: number
  text?: string
  messages?: string[]
  message?: { id: string; text: string; seq: number } | string
  code?: string
}

/** `at` is milliseconds since 1970, with fractions. */
export type Entry = { at: number } & (
  | { t: 'sent'; id: string; text: string; tries: number }
  /** The server has told that it keeps the message. `seq` is unknown over SSE. */
  | { t: 'accepted'; id: string; seq?: number }
  | { t: 'refused'; id: string; code: string }
  | { t: 'stop' }
  | { t: 'joined'; after: Cursor; seq: number; missed?: readonly Frame[]; live?: Joined['live']; messages?: Joined['messages'] }
  | { t: 'heard'; frame: Frame }
  /** A server-sent event and its cursor. */
  | { t: 'line'; message: string; id: string; data: Record<string, unknown> }
  /** Reads nothing for so many milliseconds. */
  | { t: 'stalled'; ms: number }
  | { t: 'lost'; why: string }
)

/** One client and one conversation. */
export interface Talk {
  conversation: string
  door: 'socket' | 'sse'
  /** It waits as long as its connection does: how long says something of its patience alone. */
  isPatient?: true
  entries: Entry[]
}

export type Keep = (talk: Talk, entry: Entry) => void

export const now = () => performance.timeOrigin + performance.now()

export interface Journal {
  keep: Keep
  talks: Talk[]
  begin(conversation: string, door?: Talk['door']): Talk
  /** How many entries of this kind there are. */
  count(kind: Entry['t']): number
  close(): Promise<void>
}

/** Keeps entries in memory for the verdict and on disk for whoever looks into a failure. */
export function createJournal(file: string): Journal {
  const out = createWriteStream(file)
  const talks: Talk[] = []
  const counts = new Map<Entry['t'], number>()
  return {
    talks,
    keep(talk, entry) {
      talk.entries.push(entry)
      counts.set(entry.t, (counts.get(entry.t) ?? 0) + 1)
      out.write(`${JSON.stringify({ conversation: talk.conversation, ...entry })}\n`)
    },
    begin(conversation, door = 'socket') {
      const talk: Talk = { conversation, door, entries: [] }
      talks.push(talk)
      return talk
    },
    count: (kind) => counts.get(kind) ?? 0,
    close: () => new Promise((resolve) => out.end(resolve)),
  }
}
