/** What a client knows of one conversation, and how that grows. Pure: no socket, no clock, no page. */
import type { Agent } from '../../machines/ladder.ts'
import type { Cost, Cursor, Joined, Live, Message, Part, Refused, Usage } from '../../runtime/gateway/protocol.ts'
import { hear, type Heard } from './hear.ts'
import { place, settleAll } from './place.ts'

export { hear, type Heard } from './hear.ts'

/** A message of ours that the server has not acknowledged yet, under the id that it will keep for ever. */
export interface Outgoing {
  id: string
  text: string
  parts?: Part[]
  at: number
  /** Why it was refused; absent while it is on its way. */
  failed?: string
}

export interface Turn {
  /** Ids of the messages that it answers. */
  messages: string[]
  agent?: Agent
  status?: string
  tool?: string
  model?: string
  difficulty?: string
  intent?: string
  tier?: string
  /** Tokens of history that Admin's brief spared each call. */
  saved?: number
  climbed?: { from: string; to: string; reason: string }
  /** The highest attempt that has ended: what still arrives of it is an echo. */
  closed?: number
  /** Why the last attempt was taken back. */
  retracted?: string
  ended?: 'finished' | 'failed' | 'stopped'
  code?: string
  message?: string
  usage?: Usage
  cost?: Cost
  partial?: true
}

/** Something that happened between two messages and that the reader should see. */
export interface Note {
  seq: number
  kind: 'failed' | 'stopped' | 'joined' | 'left' | 'cleared'
  turn?: string
  code?: string
  /** The sentence of a failure, or the name of who came or went. */
  text?: string
}

export interface Transcript {
  conversation: string
  /** The last durable event that was applied. */
  seq: number
  messages: Message[]
  notes: Note[]
  outgoing: Outgoing[]
  turns: Readonly<Record<string, Turn>>
  /** The turn that works right now. */
  current?: string
  /** The reply in flight, as far as it came. */
  reply?: Live
  attention: 'automated' | 'human'
  operator?: string
  /** Who is typing, other than us. */
  typing?: string
  /** Something is missing: join again with the cursor. */
  behind: boolean
  /** How often a finished reply was not the text that we had put together. Stays 0 in a sound system. */
  faults: number
}

export const begin = (conversation: string, outgoing: Outgoing[] = []): Transcript => ({
  conversation,
  seq: 0,
  messages: [],
  notes: [],
  outgoing,
  turns: {},
  attention: 'automated',
  behind: false,
  faults: 0,
})

/** Where we are, for a join that brings only what we miss. Nothing seen yet is no cursor. */
export function cursor({ seq, reply }: Transcript): Cursor | undefined {
  if (reply) return { seq, turn: reply.turn, attempt: reply.attempt, offset: reply.text.length }
  return seq > 0 ? { seq } : undefined
}

/** The answer to a join, applied at once so that nothing flashes by again. */
export function join(t: Transcript, answer: Joined): Transcript {
  const caught = answer.missed ? replay(t, answer.missed, answer.seq) : anew(t, answer)
  const turn = answer.live && caught.turns[answer.live.turn]
  const live = turn?.ended ? undefined : answer.live
  return settleAll({
    ...caught,
    attention: answer.state.attention,
    ...(live ? { reply: live, current: live.turn } : {}),
  })
}

/** A replay that leaves a hole is no replay: the result stays `behind`, and the caller joins without a cursor. */
function replay(t: Transcript, missed: [name: string, payload: unknown][], seq: number): Transcript {
  let caught: Transcript = { ...t, behind: false }
  for (const event of missed) caught = hear(caught, event as Heard, 'replayed')
  return caught.seq < seq ? { ...caught, behind: true } : caught
}

function anew(t: Transcript, { messages, seq }: Joined): Transcript {
  const turns: Record<string, Turn> = { ...t.turns }
  // A finished message closes its turn, so that a late echo of its text cannot begin it again.
  for (const { role, turn } of messages)
    if (turn && role !== 'user') turns[turn] = { ...(turns[turn] ?? { messages: [] }), ended: turns[turn]?.ended ?? 'finished' }
  const { reply: _, current: __, ...rest } = t
  return { ...rest, seq, messages, turns, notes: t.notes.filter((note) => note.seq <= seq), behind: false }
}

/** Shows a message before the server has it. Saying the same id again clears its failure. */
export function say(t: Transcript, message: Outgoing): Transcript {
  if (t.messages.some(({ id }) => id === message.id)) return t
  return { ...t, outgoing: [...t.outgoing.filter(({ id }) => id !== message.id), message] }
}

/** The server has it: from clock to tick. Its place is known before its event arrives. */
export function settle(t: Transcript, id: string, seq: number): Transcript {
  const sent = t.outgoing.find((message) => message.id === id)
  if (!sent) return t
  const { failed: _, ...message } = sent
  return settleAll({ ...t, messages: place(t.messages, { ...message, seq, role: 'user' }) })
}

export const fail = (t: Transcript, id: string, { message }: Pick<Refused, 'message'>): Transcript => ({
  ...t,
  outgoing: t.outgoing.map((out) => (out.id === id ? { ...out, failed: message } : out)),
})

export const discard = (t: Transcript, id: string): Transcript => ({ ...t, outgoing: t.outgoing.filter((out) => out.id !== id) })
