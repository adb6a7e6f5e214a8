/** What a conversation tells whoever watches it. The names are the public protocol's: one spelling from chart to socket. */
import type { Agent } from './ladder.ts'
import type { Cost, Message, Usage } from './message.ts'

/** Why a turn ended other than by an answer. */
export type TurnCode = 'user.stopped' | 'message.interrupted' | 'operator.claimed' | 'answer.failed' | 'quota.spent' | 'board.asked'

/** Everything with a `seq`: kept for ever, numbered without gaps per conversation. The host adds `conversation` and `seq`. */
export interface DurableEvents {
  'message.accepted': { message: Omit<Message, 'seq'> }
  'history.cleared': { at: number }
  'turn.started': { turn: string; messages: string[] }
  /** More messages belong to this turn now: it answers them all. */
  'turn.widened': { turn: string; messages: string[] }
  'turn.classified': { turn: string; difficulty: string; intent: string; tier: string; saved?: number }
  'turn.escalated': { turn: string; from: string; to: string; reason: string }
  'reply.retracted': { turn: string; attempt: number; reason: string }
  'reply.finished': {
    turn: string
    attempt: number
    message: Omit<Message, 'seq'>
    usage: Usage
    cost: Cost
    model?: string
    partial?: true
  }
  'turn.finished': { turn: string; code?: TurnCode; message?: string }
  'turn.failed': { turn: string; code: TurnCode; message: string }
  'turn.stopped': { turn: string; code: TurnCode; message?: string }
  'conversation.state': { value: unknown; attention: 'automated' | 'human'; reason?: string }
  'operator.joined': { name: string }
  'operator.left': { name: string }
}

/** Said and forgotten: who does what right now. The host adds `conversation` and `at`. */
export interface LiveEvents {
  'agent.status': { turn: string; agent: Agent; status: string; model?: string; tool?: string }
  /** For the sender only: this conversation does not take the message now. */
  'message.refused': { id: string; code: 'turn.busy' | 'mailbox.full' }
}

export type DurableName = keyof DurableEvents
export type LiveName = keyof LiveEvents
export type Emitted =
  | { [N in DurableName]: { type: N } & DurableEvents[N] }[DurableName]
  | { [N in LiveName]: { type: N } & LiveEvents[N] }[LiveName]

/** Everything else that a machine emits is durable. */
export const liveNames: ReadonlySet<string> = new Set<LiveName>(['agent.status', 'message.refused'])

/** Told to the sender in the acknowledgement, and to nobody else. */
export const isPrivate = (name: string) => name === 'message.refused'
