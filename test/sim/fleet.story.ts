/** What happens to several nodes: people talk as in a story of one, and trouble comes to nodes, clocks and what is between them. */
import { type Chance, chances } from './chance.ts'
import type { Letters } from './fleet.network.ts'
import { type Act, type Story, isPersons } from './story.ts'

/** Nodes are told apart by their place, from 0. Those that stand still or are cut off are so for at most as long as `ms` says. */
export type FleetAct =
  /** After so many more of its messages with the store; without `down` for good, unless nobody else is there. */
  | { do: 'node.kill'; node: number; down?: number; after?: number; stage?: 'sent' | 'done' }
  | { do: 'node.pause'; node: number; ms: number }
  | { do: 'node.leave'; node: number; down?: number }
  /** One that was not there at the beginning. */
  | { do: 'node.join' }
  /** Letters of some do not reach others; `known`: whoever sends them learns of it. */
  | { do: 'letters.cut'; from: number[]; to: number[]; both: boolean; known: boolean; ms: number }
  /** One does not reach the store; `torn`: its connections break, otherwise what it says arrives afterwards. */
  | { do: 'store.cut'; node: number; torn: boolean; ms: number }
  | { do: 'clock.jump'; node: number; by: number }
  | { do: 'redis.wipe' }
  | { do: 'redis.away'; hangs: boolean; ms: number }
  /** Its connections break, and the server thinks it dead: it lives. */
  | { do: 'lock.lost'; node: number }

export interface Fleet {
  nodes: number
  /** Whether leases are in a Redis too, and whether locks tell who is dead. */
  redis: boolean
  locks: boolean
  letters: Letters
  /** Milliseconds by which the clock of each node is ahead. */
  clocks: number[]
  /** Nodes of a program that knows older machines only. */
  old: number[]
}

/** Milliseconds in which the trouble of a fleet begins. */
const LENGTH = 9_000

export function fleetStoryOf(single: Story): Story {
  const of = chances(single.seed)
  const shape = of('fleet')
  const nodes = 3 + Math.floor(5 * shape.next() ** 2)
  const acts: Act[] = single.acts.filter(isPersons)
  const said = acts.filter((act) => act.do === 'say')

  function add(name: string, most: number, make: (chance: Chance) => FleetAct) {
    const many = 1 + of('many', name).below(most)
    for (let i = 0; i < many; i++) {
      const chance = of('act', name, i)
      const at = chance.happens(0.7) ? chance.pick(said).at + Math.round(chance.delay(0, 2_500)) : chance.below(LENGTH)
      acts.push({ at, ...make(chance) })
    }
  }
  const others = (chance: Chance) => {
    const some = Array.from({ length: nodes }, (_, n) => n).filter(() => chance.happens(0.5))
    return some.length > 0 && some.length < nodes ? some : [chance.below(nodes)]
  }
  if (shape.happens(0.6))
    add('node.kill', 3, (chance) => ({
      do: 'node.kill',
      node: chance.below(nodes),
      ...(chance.happens(0.8) && { down: 50 + chance.below(4_000) }),
      ...(chance.happens(0.6) && { after: chance.below(12), stage: chance.pick(['sent', 'done'] as const) }),
    }))
  if (shape.happens(0.3))
    add('node.pause', 2, (chance) => ({ do: 'node.pause', node: chance.below(nodes), ms: Math.round(chance.delay(200, 20_000)) }))
  if (shape.happens(0.3))
    add('letters.cut', 3, (chance) => {
      const from = others(chance)
      const to = chance.happens(0.5) ? [chance.below(nodes)] : Array.from({ length: nodes }, (_, n) => n).filter((n) => !from.includes(n))
      return { do: 'letters.cut', from, to, both: chance.happens(0.6), known: chance.happens(0.5), ms: 100 + chance.below(8_000) }
    })
  if (shape.happens(0.25))
    add('store.cut', 2, (chance) => ({
      do: 'store.cut',
      node: chance.below(nodes),
      torn: chance.happens(0.5),
      ms: Math.round(chance.delay(200, 12_000)),
    }))
  if (shape.happens(0.2))
    add('clock.jump', 2, (chance) => ({ do: 'clock.jump', node: chance.below(nodes), by: Math.round((chance.next() - 0.5) * 7_200_000) }))
  const redis = shape.happens(0.5)
  if (redis && shape.happens(0.3)) add('redis.wipe', 2, () => ({ do: 'redis.wipe' }))
  if (redis && shape.happens(0.3))
    add('redis.away', 2, (chance) => ({ do: 'redis.away', hangs: chance.happens(0.5), ms: Math.round(chance.delay(200, 15_000)) }))
  if (shape.happens(0.25))
    add('node.leave', 2, (chance) => ({
      do: 'node.leave',
      node: chance.below(nodes),
      ...(chance.happens(0.7) && { down: 50 + chance.below(3_000) }),
    }))
  if (shape.happens(0.2)) add('node.join', 1, () => ({ do: 'node.join' }))
  const locks = shape.happens(0.75)
  if (locks && shape.happens(0.15)) add('lock.lost', 1, (chance) => ({ do: 'lock.lost', node: chance.below(nodes) }))
  const isBad = shape.happens(0.3)
  const clocks = Array.from({ length: nodes }, (_, n) => {
    const chance = of('clock', n)
    return chance.happens(0.15) ? Math.round((chance.next() - 0.5) * 7_200_000) : 0
  })
  // Who wakes up out of reach of the store and of the others learns from nobody that its time is over: all it has is what it knows itself.
  const far = of('act', 'far')
  if (redis && far.happens(0.15)) {
    const node = far.below(nodes)
    const at = far.pick(said).at + Math.round(far.delay(0, 2_500))
    const ms = 5_500 + far.below(3_500)
    const from = Array.from({ length: nodes }, (_, n) => n).filter((n) => n !== node)
    acts.push(
      { at, do: 'node.pause', node, ms },
      { at: at + 1, do: 'store.cut', node, torn: false, ms: ms + 6_000 },
      { at: at + 1, do: 'letters.cut', from, to: [node], both: true, known: false, ms: ms + 6_000 },
    )
  }
  // What is said in a conversation at hand while its owner does not reach the store arrives there under an owner of before.
  const late = of('act', 'late')
  if (late.happens(0.15)) {
    const at = Math.max(...said.map((act) => act.at)) + 3_000
    acts.push({ at, do: 'store.cut', node: late.below(nodes), torn: false, ms: 7_500 + late.below(2_000) })
    for (const [chat, { tabs }] of single.chats.entries())
      acts.push({ at: at + 5 + late.below(60), do: 'say', chat, tab: late.below(tabs), text: `and then? #c${chat}m${90 + chat}` })
  }
  // Who dies with what it was just given was perhaps known to those alone who gave it: to one at least only by letters of others.
  const brief = of('act', 'brief')
  if (brief.happens(0.15)) {
    const at = brief.pick(said).at + Math.round(brief.delay(0, 2_500))
    const after = 10 + brief.below(40)
    acts.push(
      { at, do: 'store.cut', node: brief.below(nodes), torn: false, ms: 1_500 + brief.below(2_000) },
      { at: at + 1, do: 'node.join' },
      { at: at + 2, do: 'node.kill', node: nodes, after, stage: brief.pick(['sent', 'done'] as const) },
    )
  }
  // Whose lines the server ends, or whose lease is wiped while the store is away for it alone, has heirs at once, and hears of them from nobody.
  const deaf = of('act', 'deaf')
  if ((locks || redis) && deaf.happens(0.15)) {
    const node = deaf.below(nodes)
    const at = deaf.pick(said).at + Math.round(deaf.delay(0, 500))
    const torn = locks && !(redis && deaf.happens(0.5))
    const ms = 6_000 + deaf.below(4_000)
    const from = Array.from({ length: nodes }, (_, n) => n).filter((n) => n !== node)
    acts.push(
      { at, do: 'letters.cut', from, to: [node], both: true, known: false, ms },
      { at: at + 1, do: 'store.cut', node, torn, ms },
      ...(torn ? [] : [{ at: at + 5_500 + deaf.below(1_000), do: 'redis.wipe' } as const]),
    )
  }
  return {
    ...single,
    // What a story of one node takes for a rough sea, nobody would run several on.
    store: { breaking: single.store.breaking > 0.02 ? 0.02 : single.store.breaking, slowest: Math.min(single.store.slowest, 40) },
    fleet: {
      nodes,
      redis,
      locks,
      letters: {
        lost: isBad ? 0.1 : 0,
        twice: isBad ? 0.1 : 0,
        late: isBad ? 0.1 : 0,
        slowest: shape.happens(0.2) ? 200 : 5,
      },
      clocks: shape.happens(0.3) ? clocks : [],
      old: shape.happens(0.15) ? [1] : [],
    },
    acts: acts.sort((a, b) => a.at - b.at),
  }
}
