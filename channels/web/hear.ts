/** One event from the server, applied to a transcript by the client's rules: what came before is dropped, what leaves a hole asks to join again. */
import type { DurableName } from '../../machines/event.ts'
import type { Delta, ServerEvents } from '../../runtime/gateway/protocol.ts'
import { place, settleAll } from './place.ts'
import type { Note, Transcript, Turn } from './transcript.ts'

type Payload<N extends keyof ServerEvents> = Parameters<ServerEvents[N]>[0]

/** An event by name. Names that this client does not know yet still count when they carry a `seq`. */
export type Heard = [name: string, payload: { conversation: string; seq?: number }]

/** `replayed` events may finish a reply whose last deltas are no longer told, so their text is taken without comparing. */
export function hear(t: Transcript, [name, payload]: Heard, how: 'live' | 'replayed' = 'live'): Transcript {
  if (payload.conversation !== t.conversation) return t
  const apply = rules[name as keyof Rules] as ((t: Transcript, payload: unknown, how: string) => Transcript) | undefined
  if (payload.seq === undefined) return apply ? apply(t, payload, how) : t
  if (payload.seq <= t.seq) return t
  if (payload.seq > t.seq + 1) return { ...t, behind: true }
  return { ...(apply ? apply(t, payload, how) : t), seq: payload.seq }
}

type Rules = {
  [N in DurableName | 'agent.status' | 'reply.delta' | 'typing.started' | 'typing.stopped']: (
    t: Transcript,
    event: Payload<N>,
    how: string,
  ) => Transcript
}

const rules: Rules = {
  'message.accepted': (t, { message }) => {
    const quiet = message.role === 'operator' ? without(t, 'typing') : t
    return settleAll({ ...quiet, messages: place(t.messages, message) })
  },
  'history.cleared': (t, { seq }) => noted({ ...t, messages: [], notes: [] }, { seq, kind: 'cleared' }),
  'turn.started': (t, { turn, messages }) => ({ ...amend(t, turn, { messages }), current: turn }),
  'turn.widened': (t, { turn, messages }) => amend(t, turn, { messages: [...(t.turns[turn]?.messages ?? []), ...messages] }),
  'turn.classified': (t, { turn, difficulty, intent, tier, saved }) => amend(t, turn, { difficulty, intent, tier, saved }),
  'turn.escalated': (t, { turn, from, to, reason }) => amend(t, turn, { climbed: { from, to, reason } }),
  'agent.status': (t, { turn, agent, status, model, tool }) =>
    t.turns[turn]?.ended ? t : { ...amend(t, turn, { agent, status, model, tool }), current: turn },
  'reply.delta': growing,
  'reply.retracted': (t, { turn, attempt, reason }) => ({
    ...amend(closed(t, turn, attempt), turn, { retracted: reason }),
  }),
  'reply.finished': (t, { turn, attempt, message, usage, cost, model, partial }, how) => {
    const assembled = t.reply?.turn === turn && t.reply.attempt === attempt ? t.reply.text : undefined
    // Nothing assembled is no fault: an answer may come whole. Neither is a hole that we already know of.
    const fault = how === 'live' && !t.behind && assembled !== undefined && assembled !== message.text
    const known = amend(closed(t, turn, attempt), turn, { usage, cost, ...(model ? { model } : {}), ...(partial ? { partial } : {}) })
    return { ...known, messages: place(t.messages, message), faults: t.faults + (fault ? 1 : 0) }
  },
  'turn.finished': (t, { turn }) => ended(t, turn, { ended: 'finished' }),
  'turn.failed': (t, { seq, turn, code, message }) =>
    noted(ended(t, turn, { ended: 'failed', code, message }), { seq, kind: 'failed', turn, code, text: message }),
  'turn.stopped': (t, { seq, turn, code }) => noted(ended(t, turn, { ended: 'stopped', code }), { seq, kind: 'stopped', turn, code }),
  'conversation.state': (t, { attention }) => ({ ...t, attention }),
  'operator.joined': (t, { seq, name }) => noted({ ...t, operator: name }, { seq, kind: 'joined', text: name }),
  'operator.left': (t, { seq, name }) => noted(without(without(t, 'operator'), 'typing'), { seq, kind: 'left', text: name }),
  'typing.started': (t, { who }) => ({ ...t, typing: who }),
  'typing.stopped': (t) => without(t, 'typing'),
}

/** Idempotent by offset, so a delta may come twice; an attempt that is over stays over. */
function growing(t: Transcript, { turn, attempt, offset, text }: Delta): Transcript {
  const known = t.turns[turn]
  const held = t.reply?.turn === turn ? t.reply : undefined
  if (known?.ended || attempt <= (known?.closed ?? -1) || (held && attempt < held.attempt)) return t
  const have = held?.attempt === attempt ? held.text : ''
  if (offset > have.length) return { ...t, behind: true }
  if (offset + text.length <= have.length) return t
  return { ...t, current: turn, reply: { turn, attempt, text: have + text.slice(have.length - offset) } }
}

const amend = (t: Transcript, turn: string, more: { [K in keyof Turn]?: Turn[K] | undefined }): Transcript => ({
  ...t,
  turns: { ...t.turns, [turn]: { ...(t.turns[turn] ?? { messages: [] }), ...(more as Partial<Turn>) } },
})

function closed(t: Transcript, turn: string, attempt: number): Transcript {
  const over = t.reply?.turn === turn && t.reply.attempt <= attempt
  return amend(over ? without(t, 'reply') : t, turn, { closed: Math.max(attempt, t.turns[turn]?.closed ?? -1) })
}

function ended(t: Transcript, turn: string, how: Partial<Turn>): Transcript {
  const quiet = t.reply?.turn === turn ? without(t, 'reply') : t
  return amend(t.current === turn ? without(quiet, 'current') : quiet, turn, how)
}

const noted = (t: Transcript, note: Note): Transcript => ({ ...t, notes: [...t.notes, note] })

function without<K extends 'reply' | 'current' | 'operator' | 'typing'>(t: Transcript, key: K): Transcript {
  const { [key]: _, ...rest } = t
  return rest as Transcript
}
