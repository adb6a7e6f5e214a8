/** What happens in a simulated world: a list of acts, made from a seed and plain enough to be printed, stored and shortened. */
import { busyPolicies, type Policy } from '../../machines/policy.ts'
import { chances } from './chance.ts'
import type { Faults } from './provider.ts'

/** Milliseconds from the start of the story. */
export type Act = { at: number } & (
  | { do: 'say'; chat: number; tab: number; text: string }
  /** The first message of the chat is sent again, as a client does that missed the answer. */
  | { do: 'repeat'; chat: number; tab: number }
  | { do: 'stop'; chat: number; tab: number }
  | { do: 'cut'; chat: number; tab: number; silent: boolean }
  | { do: 'stall'; chat: number; tab: number; ms: number }
  /** After so many more messages with the store, before or behind one; without `after` at once. */
  | { do: 'kill'; down: number; after?: number; stage?: 'sent' | 'done' }
  | { do: 'leave'; down: number }
  | { do: 'outage'; ms: number }
  | { do: 'claim'; chat: number; ms: number }
)

export interface Story {
  seed: number
  /** How many tabs look at each conversation. */
  chats: { tabs: number }[]
  policy: Partial<Policy>
  residents: number
  perActor: number
  /** Shares of messages with the store that break in one of the ways, and the slowest of its ways in milliseconds. */
  store: { breaking: number; slowest: number }
  provider: Faults
  /** The slowest way between a tab and a node, in milliseconds. */
  network: number
  acts: Act[]
}

const texts = [
  'hello there',
  'What is the capital of France?',
  'Why is the sky blue, and why is it red in the evening?',
  'Please explain how a rainbow forms and which angles matter.',
  'Design a distributed rate limiter with strict consistency, explain the trade-offs, prove its correctness, plan the migration, and analyse every failure mode of the architecture.',
  'fix it',
]

const LENGTH = 12_000
/** How long the slower ways of ending may take; a story is waited for until then. */
const patience = { intern: 12_000, director: 15_000, ceo: 20_000 }

export function storyOf(seed: number): Story {
  const of = chances(seed)
  const shape = of('shape')
  const rough = shape.next()
  const count = 1 + shape.below(3)
  const chats = Array.from({ length: count }, (_, n) => ({ tabs: of('chat', n).happens(0.3) ? 2 : 1 }))
  const acts: Act[] = []
  const add = (name: string, most: number, make: (chance: ReturnType<typeof of>, at: number, chat: number, tab: number) => Act | Act[]) => {
    const many = of('many', name).below(most + 1)
    for (let i = 0; i < many; i++) {
      const chance = of('act', name, i)
      const chat = chance.below(count)
      acts.push(...[make(chance, chance.below(LENGTH), chat, chance.below(chats[chat]?.tabs ?? 1))].flat())
    }
  }
  let said = 0
  add('say', 6, (chance, at, chat, tab) =>
    Array.from(
      { length: chance.happens(0.2) ? 3 : 1 },
      (): Act => ({
        at: at + chance.below(40),
        do: 'say',
        chat,
        tab,
        text: `${chance.pick(texts)} #c${chat}m${said++}`,
      }),
    ),
  )
  if (acts.length === 0) acts.push({ at: 100, do: 'say', chat: 0, tab: 0, text: `${texts[2]} #c0m0` })
  add('stop', 2, (_, at, chat, tab) => ({ at, do: 'stop', chat, tab }))
  add('repeat', 2, (_, at, chat, tab) => ({ at, do: 'repeat', chat, tab }))
  if (shape.happens(0.6)) add('cut', 4, (chance, at, chat, tab) => ({ at, do: 'cut', chat, tab, silent: chance.happens(0.3) }))
  if (shape.happens(0.2)) add('stall', 2, (chance, at, chat, tab) => ({ at, do: 'stall', chat, tab, ms: 500 + chance.below(6_000) }))
  if (shape.happens(0.6))
    add('kill', 3, (chance, at) => ({
      at,
      do: 'kill',
      down: 50 + chance.below(2_000),
      ...(chance.happens(0.7) && { after: chance.below(12), stage: chance.pick(['sent', 'done'] as const) }),
    }))
  if (shape.happens(0.15)) add('leave', 1, (chance, at) => ({ at, do: 'leave', down: 50 + chance.below(1_000) }))
  if (shape.happens(0.25)) add('outage', 2, (chance, at) => ({ at, do: 'outage', ms: 100 + chance.below(4_000) }))
  if (shape.happens(0.15)) add('claim', 1, (chance, at, chat) => ({ at, do: 'claim', chat, ms: 500 + chance.below(3_000) }))
  acts.sort((a, b) => a.at - b.at)
  return {
    seed,
    chats,
    policy: {
      whileBusy: shape.pick(busyPolicies),
      window: shape.happens(0.2) ? 800 : 0,
      waiting: shape.happens(0.2) ? 2 : 20,
      attempts: 3,
      patience,
    },
    residents: shape.happens(0.3) ? 1 : 100,
    perActor: shape.happens(0.1) ? 2 : 64,
    store: { breaking: rough < 0.4 ? 0 : rough < 0.9 ? 0.01 : 0.05, slowest: shape.happens(0.2) ? 120 : 6 },
    provider: {
      failing: shape.happens(0.3) ? 0.3 : 0.02,
      hanging: shape.happens(0.15) ? 0.2 : 0,
      breaking: shape.happens(0.3) ? 0.2 : 0.02,
      poor: shape.happens(0.2) ? 0.4 : 0.05,
      slow: shape.happens(0.1) ? 0.5 : 0.05,
    },
    network: shape.happens(0.3) ? 300 : 30,
    acts,
  }
}
