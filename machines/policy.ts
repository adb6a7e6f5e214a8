/** How a conversation behaves: decided at its birth by tenant, bot and channel, and kept with it. */
import type { Tier } from './ladder.ts'

/** What happens to a message that comes while an answer is being written. */
export const busyPolicies = ['enqueue', 'interrupt', 'merge', 'reject'] as const
export type BusyPolicy = (typeof busyPolicies)[number]

export interface Policy {
  /** Milliseconds in which rapid messages are gathered into one turn; 0 answers at once. */
  window: number
  whileBusy: BusyPolicy
  /** Messages that may wait for their turn. */
  waiting: number
  /** Drafts before the Board is asked. */
  attempts: number
  /** Milliseconds that each tier may take for one draft. */
  patience: Record<Tier, number>
  /** US dollars a conversation may cost within `period`; null is without a limit. */
  budget: number | null
  /** Milliseconds after which a spent budget is whole again. */
  period: number
}

export const defaultPolicy: Policy = {
  window: 0,
  whileBusy: 'enqueue',
  waiting: 20,
  attempts: 3,
  patience: { intern: 60_000, director: 120_000, ceo: 300_000 },
  budget: null,
  period: 86_400_000,
}

/** Channels in which people write one thought in three lines. */
const windows: Record<string, number> = { telegram: 1_200, whatsapp: 1_500, slack: 1_000 }

export const policyFor = (channel: string, given: Partial<Policy> = {}): Policy => ({
  ...defaultPolicy,
  window: windows[channel] ?? defaultPolicy.window,
  ...given,
})
