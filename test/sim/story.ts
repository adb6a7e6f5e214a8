/** What happens in a simulated world: a list of acts, made from a seed and plain enough to be printed, stored and shortened. */
import { busyPolicies, type Policy } from '../../machines/policy.ts'
import { type Chance, chances } from './chance.ts'
import { type Fleet, type FleetAct, fleetStoryOf } from './fleet.story.ts'
import type { Faults } from './provider.ts'

/** Milliseconds from the start of the story. */
export type Act = { at: number } & (
  | { do: 'say'; chat: number; tab: number; text: string }
  /** The first message of the chat is sent again, as a client does that missed the answer. */
  | { do: 'repeat'; chat: number; tab: number }
  | { do: 'stop'; chat: number; tab: number }
  | { do: 'cut'; chat: number; tab: number; silent: boolean }
  /** The tab reads nothing for so long, once it has heard so many more frames. */
  | { do: 'stall'; chat: number; tab: number; frames: number; ms: number }
  /** After so many more messages with the store, before or behind one; without `after` at once. */
  | { do: 'kill'; down: number; after?: number; stage?: 'sent' | 'done' }
  | { do: 'leave'; down: number }
  /** Counts as gone and goes on for so long: another node takes everything over meanwhile. */
  | { do: 'oust'; ms: number }
  | { do: 'outage'; ms: number }
  | { do: 'claim'; chat: number; ms: number }
  | FleetAct
)

const persons = new Set<Act['do']>(['say', 'repeat', 'stop', 'cut', 'stall', 'claim'])
export const isPersons = (act: Act): act is Extract<Act, { do: 'say' | 'repeat' | 'stop' | 'cut' | 'stall' | 'claim' }> =>
  persons.has(act.do)

export interface Story {
  seed: number
  /** How many tabs look at each conversation. */
  chats: { tabs: number }[]
  policy: Partial<Policy>
  /** Whether each life of a node has a name of its own, as a container has, or all the same. */
  renamed: boolean
  residents: number
  perActor: number
  /** Milliseconds that a client waits for an acknowledgement. */
  clientPatience: number
  /** Shares of messages with the store that break in one of the ways, and the slowest of its ways in milliseconds. */
  store: { breaking: number; slowest: number }
  provider: Faults
  /** The slowest way between a tab and a node, in milliseconds. */
  network: number
  /** Several nodes, and what is between them; absent: there is one. */
  fleet?: Fleet
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

const LENGTH = 5_000
/** Milliseconds that an act takes. */
export const lasts = (act: Act): number => ('ms' in act ? act.ms : 0) + ('down' in act ? (act.down ?? 0) : 0)
/** How long the slower ways of ending may take; a story is waited for until then. */
const patience = { intern: 12_000, director: 15_000, ceo: 20_000 }

export type Kind = 'single' | 'fleet'

/** Of so many worlds one has several nodes: it takes as long as two others. */
const SHARE = 4

export const storyOf = (seed: number, kind: Kind = seed % SHARE === 0 ? 'fleet' : 'single'): Story =>
  kind === 'fleet' ? fleetStoryOf(singleStoryOf(seed)) : singleStoryOf(seed)

function singleStoryOf(seed: number): Story {
  const of = chances(seed)
  const shape = of('shape')
  const rough = shape.next()
  const count = 1 + shape.below(3)
  const chats = Array.from({ length: count }, (_, n) => ({ tabs: of('chat', n).happens(0.3) ? 2 : 1 }))
  const acts: Act[] = []

  const says = 1 + of('many', 'say').below(5)
  for (let i = 0, said = 0; i < says; i++) {
    const chance = of('act', 'say', i)
    const chat = chance.below(count)
    const at = chance.below(LENGTH)
    const tab = chance.below(chats[chat]?.tabs ?? 1)
    for (let burst = chance.happens(0.25) ? 3 : 1; burst > 0; burst--)
      acts.push({ at: at + chance.below(40), do: 'say', chat, tab, text: `${chance.pick(texts)} #c${chat}m${said++}` })
  }

  /** Trouble comes while something is going on: a moment after something was said. */
  const said = [...acts]
  function add(name: string, most: number, make: (chance: Chance, act: { at: number; chat: number; tab: number }) => Act) {
    const many = of('many', name).below(most + 1)
    for (let i = 0; i < many; i++) {
      const chance = of('act', name, i)
      const chat = chance.below(count)
      const at = chance.pick(said).at + Math.round(chance.delay(0, 2_500))
      acts.push(make(chance, { at, chat, tab: chance.below(chats[chat]?.tabs ?? 1) }))
    }
  }
  if (shape.happens(0.7)) add('stop', 2, (_, act) => ({ ...act, do: 'stop' }))
  add('repeat', 1, (_, act) => ({ ...act, do: 'repeat' }))
  if (shape.happens(0.6)) add('cut', 4, (chance, act) => ({ ...act, do: 'cut', silent: chance.happens(0.3) }))
  const stalls = shape.happens(0.2)
  // Longer than a silent reader is borne with, and in the middle of a reply.
  if (stalls) add('stall', 3, (chance, act) => ({ ...act, do: 'stall', frames: 3 + chance.below(12), ms: 500 + chance.below(9_500) }))
  if (shape.happens(0.6))
    add('kill', 3, (chance, { at }) => ({
      at,
      do: 'kill',
      down: 50 + chance.below(2_000),
      ...(chance.happens(0.8) && { after: chance.below(12), stage: chance.pick(['sent', 'done'] as const) }),
    }))
  if (shape.happens(0.15)) add('leave', 1, (chance, { at }) => ({ at, do: 'leave', down: 50 + chance.below(1_000) }))
  if (shape.happens(0.25)) add('outage', 2, (chance, { at }) => ({ at, do: 'outage', ms: 100 + chance.below(3_000) }))
  if (shape.happens(0.15)) add('claim', 1, (chance, { at, chat }) => ({ at, do: 'claim', chat, ms: 500 + chance.below(3_000) }))
  const renamed = shape.happens(0.4)
  if (renamed && shape.happens(0.5)) add('oust', 2, (chance, { at }) => ({ at, do: 'oust', ms: 200 + chance.below(4_000) }))
  acts.sort((a, b) => a.at - b.at)
  return {
    seed,
    chats,
    policy: {
      whileBusy: shape.pick(busyPolicies),
      window: shape.happens(0.3) ? 100 + shape.below(700) : 0,
      waiting: shape.happens(0.2) ? 2 : 20,
      attempts: 3,
      patience,
    },
    renamed,
    residents: shape.happens(0.4) ? 1 : 100,
    perActor: shape.happens(0.1) ? 2 : 64,
    clientPatience: shape.pick([150, 500, 3_000, 3_000]),
    store: { breaking: rough < 0.35 ? 0 : rough < 0.8 ? 0.02 : 0.08, slowest: shape.happens(0.25) ? 120 : 6 },
    provider: {
      failing: shape.happens(0.3) ? 0.3 : 0.02,
      hanging: shape.happens(0.15) ? 0.2 : 0,
      breaking: shape.happens(0.3) ? 0.2 : 0.02,
      poor: shape.happens(0.2) ? 0.4 : 0.05,
      slow: stalls ? 0.7 : shape.happens(0.1) ? 0.5 : 0.05,
    },
    network: shape.happens(0.4) ? 300 : 30,
    acts,
  }
}
