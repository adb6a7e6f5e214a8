/** What happens to several nodes: people talk as in a story of one, and trouble comes to nodes, clocks and what is between them. */
import { type Chance, type Chances, chances } from './chance.ts'
import type { Letters } from './fleet.network.ts'
import { type Cast, concerned, plots } from './fleet.plots.ts'
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
  /** Statements happen late, each by up to so many milliseconds, as behind locks that others hold. */
  | { do: 'store.slow'; most: number; ms: number }
  | { do: 'clock.jump'; node: number; by: number }
  | { do: 'redis.wipe' }
  | { do: 'redis.away'; hangs: boolean; ms: number }
  /** Its connections break, and the server thinks it dead: it lives. */
  | { do: 'lock.lost'; node: number }

export interface Fleet {
  /** Which one is told; without, there is some of everything. */
  plot?: string
  nodes: number
  /** Whether leases are in a Redis too, and whether locks tell who is dead. */
  redis: boolean
  locks: boolean
  letters: Letters
  /** Waits at the end for the round of a minute that removes what nobody reads any more; otherwise it is made then. */
  isPatient?: true
  /** Milliseconds by which the clock of each node is ahead. */
  clocks: number[]
  /** Nodes of a program that knows older machines only. */
  old: number[]
}

/** Milliseconds in which the trouble of a fleet begins. */
const LENGTH = 6_000
/** People talk faster than to one node, and say less: what a world costs are its seconds times its nodes, and what is said. */
const HASTE = 0.6
const MOST_SAID = 4

export function fleetStoryOf(single: Story): Story {
  const of = chances(single.seed)
  const shape = of('fleet')
  const nodes = 3 + Math.floor(5 * shape.next() ** 4)
  const talk = single.acts.filter(isPersons)
  const tooMuch = talk.filter(({ do: what }) => what === 'say')[MOST_SAID]
  const people = talk.slice(0, tooMuch && talk.indexOf(tooMuch)).map((act) => ({ ...act, at: Math.round(act.at * HASTE) }))
  // Of all kinds of trouble at once none comes to its point.
  const name = of('plot').happens(0.5) ? of('plot', 'which').pick(Object.keys(plots)) : undefined
  const plot = name === undefined ? undefined : plots[name]
  const cast: Cast = {
    nodes,
    chats: single.chats,
    said: people.filter((act) => act.do === 'say'),
    redis: plot?.redis ?? shape.happens(0.5),
    locks: plot?.locks ?? shape.happens(0.75),
  }
  const trouble = plot ? plot.acts(cast, of('plot', 'acts')) : mixed(cast, of)
  const isBad = !plot && shape.happens(0.3)
  const clocks = Array.from({ length: nodes }, (_, n) => {
    const chance = of('clock', n)
    return chance.happens(0.15) ? Math.round((chance.next() - 0.5) * 7_200_000) : 0
  })
  return {
    ...single,
    // What a story of one node takes for a rough sea, nobody would run several on.
    store: { breaking: plot ? 0 : Math.min(single.store.breaking, 0.02), slowest: Math.min(single.store.slowest, 40) },
    ...(plot?.isWordy && { provider: { ...single.provider, slow: 0.8 } }),
    ...(plot?.isWatched && { chats: single.chats.map(() => ({ tabs: 3 })) }),
    fleet: {
      ...(name !== undefined && { plot: name }),
      nodes,
      redis: cast.redis,
      locks: cast.locks,
      letters: {
        lost: isBad ? 0.1 : 0,
        twice: isBad ? 0.1 : 0,
        late: isBad ? 0.1 : 0,
        slowest: shape.happens(0.2) ? 200 : 5,
      },
      ...(of('patience').happens(0.02) && { isPatient: true }),
      clocks: !plot && shape.happens(0.3) ? clocks : [],
      old: !plot && shape.happens(0.15) ? [1] : [],
    },
    acts: [...people, ...trouble].sort((a, b) => a.at - b.at),
  }
}

/** Some of all kinds, mostly a moment after something was said, and mostly for nodes that have to do with it. */
function mixed(cast: Cast, of: Chances): Act[] {
  const { nodes, said, redis, locks } = cast
  const shape = of('mixed')
  const acts: Act[] = []
  function add(name: string, most: number, make: (chance: Chance) => FleetAct) {
    const many = 1 + of('many', name).below(most)
    for (let i = 0; i < many; i++) {
      const chance = of('act', name, i)
      const at = chance.happens(0.7) ? chance.pick(said).at + Math.round(chance.delay(0, 2_500)) : chance.below(LENGTH)
      acts.push({ at, ...make(chance) })
    }
  }
  const half = (chance: Chance) => {
    const chosen = Array.from({ length: nodes }, (_, n) => n).filter(() => chance.happens(0.5))
    return chosen.length > 0 && chosen.length < nodes ? chosen : [chance.below(nodes)]
  }
  if (shape.happens(0.6))
    add('node.kill', 3, (chance) => ({
      do: 'node.kill',
      node: concerned(cast, chance),
      ...(chance.happens(0.8) && { down: 50 + chance.below(4_000) }),
      ...(chance.happens(0.6) && { after: chance.below(12), stage: chance.pick(['sent', 'done'] as const) }),
    }))
  if (shape.happens(0.3))
    add('node.pause', 2, (chance) => ({ do: 'node.pause', node: concerned(cast, chance), ms: Math.round(chance.delay(200, 9_000)) }))
  if (shape.happens(0.3))
    add('letters.cut', 3, (chance) => {
      const from = half(chance)
      const to = chance.happens(0.5) ? [chance.below(nodes)] : Array.from({ length: nodes }, (_, n) => n).filter((n) => !from.includes(n))
      return { do: 'letters.cut', from, to, both: chance.happens(0.6), known: chance.happens(0.5), ms: 100 + chance.below(6_000) }
    })
  if (shape.happens(0.25))
    add('store.cut', 2, (chance) => ({
      do: 'store.cut',
      node: concerned(cast, chance),
      torn: chance.happens(0.5),
      // Sometimes longer than a lease elsewhere proves a life by itself.
      ms: chance.happens(0.1) ? 11_000 + chance.below(5_000) : Math.round(chance.delay(200, 8_000)),
    }))
  if (shape.happens(0.15))
    add('store.slow', 1, (chance) => ({ do: 'store.slow', most: 100 + chance.below(3_000), ms: chance.below(6_000) }))
  if (shape.happens(0.2))
    add('clock.jump', 2, (chance) => ({
      do: 'clock.jump',
      node: concerned(cast, chance),
      by: Math.round((chance.next() - 0.5) * 7_200_000),
    }))
  if (redis && shape.happens(0.3)) add('redis.wipe', 2, () => ({ do: 'redis.wipe' }))
  if (redis && shape.happens(0.3))
    add('redis.away', 2, (chance) => ({ do: 'redis.away', hangs: chance.happens(0.5), ms: Math.round(chance.delay(200, 8_000)) }))
  if (shape.happens(0.25))
    add('node.leave', 2, (chance) => ({
      do: 'node.leave',
      node: concerned(cast, chance),
      ...(chance.happens(0.7) && { down: 50 + chance.below(3_000) }),
    }))
  if (shape.happens(0.2)) add('node.join', 1, () => ({ do: 'node.join' }))
  if (locks && shape.happens(0.15)) add('lock.lost', 1, (chance) => ({ do: 'lock.lost', node: concerned(cast, chance) }))
  return acts
}
