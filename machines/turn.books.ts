/** What a turn writes into the books: its work order, and a row for every call that told its price. */
import type { OrderEntry, UsageEntry } from './entry.ts'
import type { Agent } from './ladder.ts'
import type { Classification, Salvage, Verdict } from './slot.ts'
import { nothing } from './spend.ts'
import type { Spent, TurnContext } from './turn.context.ts'

export const order = (context: TurnContext, more: Partial<OrderEntry>): OrderEntry => ({
  turn: context.turn,
  status: 'in_progress',
  owner: context.tier,
  retries: Math.max(0, context.attempt - 1),
  ...more,
})

/** A cut during the check comes after the draft was counted. */
export const cutPrice = ({ draft }: TurnContext, { usage, cost }: Salvage): Spent =>
  draft ? {} : { ...(usage && { usage }), ...(cost !== undefined && { cost }) }

export const cutUsage = (context: TurnContext, part: Salvage) =>
  billOf(context, context.tier, { ...cutPrice(context, part), ...(part.model && { model: part.model }) })
export const checkUsage = (context: TurnContext, verdict: Verdict) => billOf(context, 'qa', verdict)

/** A row for a call that told its price and that nobody else counts. */
const billOf = ({ turn: id }: TurnContext, agent: Agent, { usage, cost, model = 'unknown' }: Spent & { model?: string }): UsageEntry[] =>
  usage ? [{ turn: id, agent, provider: 'model', model, usage, cost: cost ?? 'unknown', ms: 0, ok: true }] : []

export const sortingUsage = ({ turn: id }: TurnContext, { by, usage, cost }: Classification): UsageEntry => ({
  turn: id,
  agent: 'admin',
  provider: by === 'rules' ? 'rules' : 'model',
  model: by,
  usage: usage ?? nothing,
  cost: cost ?? 0,
  ms: 0,
  ok: true,
})
