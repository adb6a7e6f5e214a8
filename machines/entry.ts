/** Rows that a step wants written together with the new state. Declared once, named by every chart that writes them. */
import type { Agent, Difficulty, Tier } from './ladder.ts'
import type { Cost, Usage } from './message.ts'

export interface UsageEntry {
  turn: string
  agent: Agent
  provider: string
  model: string
  usage: Usage
  cost: Cost
  ms: number
  ok: boolean
}

export type OrderStatus = 'queued' | 'in_progress' | 'blocked' | 'completed' | 'failed' | 'cancelled'

/** The work order of a turn: who has it, and how far it is. */
export interface OrderEntry {
  turn: string
  status: OrderStatus
  owner: Agent | 'board'
  intent?: string
  difficulty?: Difficulty
  tier?: Tier
  /** Times that the work was done again. */
  retries?: number
  error?: string
}

const written = () => undefined

/** For `setup({ actions })`: only names and types. The host writes what they are given; nothing here is ever called. */
export const entries = {
  recordUsage: (_: unknown, __: UsageEntry) => written(),
  recordOrder: (_: unknown, __: OrderEntry) => written(),
}
