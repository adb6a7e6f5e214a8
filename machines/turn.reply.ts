/** How a turn says what it has to say: each function gives the event by which a text becomes a message. */
import type { Emitted } from './event.ts'
import type { Agent } from './ladder.ts'
import type { Citation } from './message.ts'
import type { Draft, Salvage } from './slot.ts'
import type { TurnContext } from './turn.context.ts'

type Finished = Extract<Emitted, { type: 'reply.finished' }>

interface Said {
  attempt: number
  agent: Agent
  text: string
  citations?: Citation[]
}

const finished = (
  { conversation, turn, usage, cost }: TurnContext,
  { attempt, agent, text, citations = [] }: Said,
  at: number,
): Finished => ({
  type: 'reply.finished',
  turn,
  attempt,
  message: {
    id: `${conversation}.${turn}.${attempt}`,
    role: 'assistant',
    text,
    turn,
    agent,
    ...(citations.length > 0 && { citations }),
    at,
  },
  usage,
  cost,
})

/** The reply as it was spoken. */
export const replyOf = (context: TurnContext, at: number): Finished => {
  const { text, citations, model } = context.draft as Draft
  return { ...finished(context, { attempt: context.attempt, agent: context.tier, text, citations }, at), model }
}

/** What was said before a cut, marked as a part. */
export const partOf = (context: TurnContext, { text, model }: Pick<Salvage, 'text' | 'model'>, at: number): Finished => ({
  ...finished(context, { attempt: context.attempt, agent: context.tier, text }, at),
  ...(model && { model }),
  partial: true,
})

/** Admin asks back. A withdrawn attempt's number is never used again. */
export const questionOf = (context: TurnContext, at: number): Finished => {
  const text = context.classification?.question ?? 'Could you say a little more about what you need?'
  return finished(context, { attempt: context.attempt + 1, agent: 'admin', text }, at)
}
