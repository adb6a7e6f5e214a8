/** What a turn knows of itself, what it hears, and what it leaves behind. */
import type { TurnCode } from './event.ts'
import type { Tier } from './ladder.ts'
import type { Cost, Usage } from './message.ts'
import type { Policy } from './policy.ts'
import type { Classification, Draft } from './slot.ts'

export interface TurnInput {
  conversation: string
  turn: string
  messages: { id: string; text: string }[]
  policy: Pick<Policy, 'attempts' | 'patience'>
}

export interface TurnOutput {
  turn: string
  end: 'answered' | 'asked back' | 'stopped' | 'board'
  code?: TurnCode
  cost: Cost
}

export type TurnEvent =
  /** Ends the turn and keeps what was said; why is told by `code`. */
  | { type: 'turn.cut'; code: Extract<TurnCode, 'user.stopped' | 'message.interrupted' | 'operator.claimed'> }
  /** One more message belongs to this turn: all is answered anew. */
  | { type: 'turn.widened'; message: { id: string; text: string } }

export interface TurnContext extends TurnInput {
  /** Drafts begun; numbers the attempts of the stream. */
  attempt: number
  /** Drafts that counted against the ladder: one lost with its node or its line does not. */
  tries: number
  /** Drafts lost with the node that wrote them, or cut off in mid-stream. */
  losses: number
  /** Since this attempt each was lost so, and none had asked a tool: what they said stands on nothing that is lost with them. */
  resumes?: number
  tier: Tier
  classification: Classification | null
  draft: Draft | null
  /** Why the last draft was not good enough. */
  why: string
  cut: TurnCode | null
  end: TurnOutput['end']
  usage: Usage
  cost: Cost
}

/** What a call cost, as far as it told. */
export type Spent = { usage?: Usage; cost?: Cost }

export const textOf = ({ messages }: Pick<TurnInput, 'messages'>) => messages.map(({ text }) => text).join('\n')
export const idsOf = ({ messages }: Pick<TurnInput, 'messages'>) => messages.map(({ id }) => id)
