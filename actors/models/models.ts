/** The models behind the tiers: what the rest of the program asks, without knowing who answers. */
import { createBreaker } from './breaker.ts'
import { type Clock, systemClock } from './clock.ts'
import { count } from './count.ts'
import { createDecide, type Decide } from './decisions.ts'
import { createHedge } from './hedge.ts'
import type { Provider } from './model.ts'
import { pipe } from './pipe.ts'
import { providersOf } from './providers.ts'
import { type Ask, route, type RoutedEvent, type Routing, type Ticket } from './route.ts'
import { candidatesOf, type Desk, desks, type ModelSettings } from './tiers.ts'

export type { Ask, RoutedEvent, Routing, Ticket } from './route.ts'

export interface Models {
  /**
   * `start`, then anything, then exactly one `end` or `fail`, with one `usage` before it. Never throws. `opened` hears of each answer that can
   * be read once more, as soon as the service has said so; the ticket of a start is that of the one which is heard.
   */
  stream(ask: Ask, context: { signal: AbortSignal; opened?: (ticket: Ticket) => void }): AsyncIterable<RoutedEvent>
  /** Nobody wants this answer any more. Never throws. */
  cancel(ticket: Ticket): void
  /** Whom each tier would ask, in order. */
  describe(): { tier: Desk; provider: string; model: string }[]
  has(tier: Desk): boolean
  /** Whether anybody whom this tier would ask goes on with a beginning. */
  continues(tier: Desk): boolean
  /** Tokens of a text, by a local count. */
  count(text: string): number
  /** Quick judgements with probabilities; absent unless switched on. */
  decide?: Decide
}

export interface Needs {
  settings: ModelSettings
  /** Instead of those that the settings open; they are used as they are, so a watchdog is the giver's business. */
  providers?: Partial<Record<string, Provider>>
  clock?: Clock
  random?: () => number
  log?: (line: Routing) => void
}

export function createModels({ settings, providers, clock = systemClock, random = Math.random, log = () => {} }: Needs): Models {
  const candidates = candidatesOf(settings)
  const all: Partial<Record<string, Provider>> = { ...providersOf(settings, clock), ...providers }
  const breaker = createBreaker(clock)
  const hedge = createHedge({ eager: settings.hedge ?? false })
  return {
    stream: (ask, { signal, opened = () => {} }) =>
      pipe(({ tell, signal: unread }) =>
        route({
          ask,
          signal: AbortSignal.any([signal, unread]),
          candidates: candidates[ask.tier],
          providers: all,
          breaker,
          hedge,
          clock,
          random,
          log,
          settings,
          tell,
          opened,
        }),
      ),
    cancel: ({ provider, id }) => all[provider]?.cancel?.(id),
    describe: () => desks.flatMap((tier) => candidates[tier].map((candidate) => ({ tier, ...candidate }))),
    has: (tier) => candidates[tier].length > 0,
    continues: (tier) => candidates[tier].some(({ provider }) => all[provider]?.continues),
    count,
    ...(settings.decisions && settings.openaiApiKey
      ? { decide: createDecide({ apiKey: settings.openaiApiKey, baseUrl: settings.openaiBaseUrl, clock, prices: settings.prices }) }
      : {}),
  }
}
