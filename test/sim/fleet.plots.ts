/**
 * What is rare by chance alone, told on purpose: trouble of nodes that takes several steps in the right order, in a world where they have
 * no other. Each plot is a moment in which only one promise stands between a node and a breach.
 */
import { type Candidate, heirOf, shardAmong } from '../../runtime/cluster/shards.ts'
import type { Chance } from './chance.ts'
import { SHARDS, chatId, nameOf } from './homes.ts'
import type { Act, Story } from './story.ts'

type Say = Extract<Act, { do: 'say' }>

export interface Cast {
  nodes: number
  chats: Story['chats']
  /** What people say. */
  said: readonly Say[]
  /** Whether leases are in a Redis too, and whether locks tell who is dead. */
  redis: boolean
  locks: boolean
}

export interface Plot {
  /** What it takes; otherwise it is left to chance. */
  redis?: true
  locks?: true
  /** Answers are long, so that something is being said still. */
  isWordy?: true
  /** Each conversation has several who listen, at whichever nodes. */
  isWatched?: true
  acts(cast: Cast, chance: Chance): Act[]
}

const placesOf = ({ nodes }: Cast) => Array.from({ length: nodes }, (_, place) => place)
const candidateAt = (place: number): Candidate => ({ node: nameOf(place), life: '', machines: {} })

/** By right the owner of a conversation, and who comes after it. */
function inTurn(cast: Cast, chat: number): [number, number] {
  const shard = shardAmong(chatId(chat), SHARDS)
  const candidates = placesOf(cast).map(candidateAt)
  const first = heirOf(shard, candidates) as Candidate
  const rest = candidates.filter((one) => one !== first)
  return [candidates.indexOf(first), candidates.indexOf(heirOf(shard, rest) as Candidate)]
}

/** One who has to do with what is said, mostly. */
export const concerned = (cast: Cast, chance: Chance): number =>
  chance.happens(0.6) ? inTurn(cast, chance.below(cast.chats.length))[chance.below(3) === 0 ? 1 : 0] : chance.below(cast.nodes)

const allBut = (cast: Cast, node: number) => placesOf(cast).filter((place) => place !== node)

/** While something is answered: where that lives, and its heir. */
function answering(cast: Cast, chance: Chance, said = cast.said) {
  const { at, chat } = chance.pick(said)
  const [node, heir] = inTurn(cast, chat)
  return { at: at + 200 + Math.round(chance.delay(0, 2_000)), chat, node, heir }
}

/** What is said in conversations of which the next node that joins is the owner by right; where there are none the plot comes to nothing. */
function ofNewcomer(cast: Cast): readonly Say[] {
  const its = cast.said.filter(({ chat }) => inTurn({ ...cast, nodes: cast.nodes + 1 }, chat)[0] === cast.nodes)
  return its.length > 0 ? its : cast.said
}

/** Neither the others nor the store reach this node, nor does it reach them. */
const cutOff = (cast: Cast, node: number, at: number, { torn, ms }: { torn: boolean; ms: number }): Act[] => [
  { at, do: 'letters.cut', from: allBut(cast, node), to: [node], both: true, known: false, ms },
  { at: at + 1, do: 'store.cut', node, torn, ms },
]

/** More that is said, under marks that nothing else has. */
const more = (cast: Cast, chance: Chance, chat: number, at: number, mark: number): Act => ({
  at,
  do: 'say',
  chat,
  tab: chance.below(cast.chats[chat]?.tabs ?? 1),
  text: `and then? #c${chat}m${mark}`,
})

export const plots: Record<string, Plot> = {
  'wakes up out of reach of the store and of the others: that its time is over it learns from nobody': {
    redis: true,
    isWordy: true,
    isWatched: true,
    acts(cast, chance) {
      const { at, node } = answering(cast, chance)
      const ms = 5_500 + chance.below(2_500)
      return [{ at, do: 'node.pause', node, ms }, ...cutOff(cast, node, at + 1, { torn: false, ms: ms + 3_000 })]
    },
  },
  'its lines are ended by the server: it has heirs at once, and hears of them from nobody': {
    locks: true,
    isWordy: true,
    isWatched: true,
    acts(cast, chance) {
      const { at, node } = answering(cast, chance)
      return cutOff(cast, node, at, { torn: true, ms: 4_500 + chance.below(3_000) })
    },
  },
  'its lease is wiped while the store is away for it alone': {
    redis: true,
    isWordy: true,
    isWatched: true,
    acts(cast, chance) {
      const { at, node } = answering(cast, chance)
      const ms = 7_500 + chance.below(2_000)
      return [...cutOff(cast, node, at, { torn: false, ms }), { at: at + 4_500 + chance.below(2_000), do: 'redis.wipe' }]
    },
  },
  'what is said in a conversation at hand arrives at the store under an owner of before': {
    acts(cast, chance) {
      const [node] = inTurn(cast, chance.below(cast.chats.length))
      const at = Math.max(...cast.said.map((act) => act.at)) + 2_000
      return [
        { at, do: 'store.cut', node, torn: false, ms: 7_500 + chance.below(2_000) },
        ...cast.chats.map((_, chat) => more(cast, chance, chat, at + 5 + chance.below(60), 90 + chat)),
      ]
    },
  },
  'dies with what it was just given, of which some heard only by letters of others': {
    acts(cast, chance) {
      const { at } = answering(cast, chance, ofNewcomer(cast))
      return [
        { at, do: 'store.cut', node: chance.below(cast.nodes), torn: false, ms: 1_500 + chance.below(2_000) },
        { at: at + 1, do: 'node.join' },
        { at: at + 2, do: 'node.kill', node: cast.nodes, after: 10 + chance.below(40), stage: chance.pick(['sent', 'done'] as const) },
      ]
    },
  },
  'dies a moment after it was given a conversation in mid-sentence': {
    locks: true,
    isWordy: true,
    isWatched: true,
    acts(cast, chance) {
      const { at } = answering(cast, chance, ofNewcomer(cast))
      return [
        { at, do: 'node.join' },
        { at: at + 60 + chance.below(300), do: 'node.kill', node: cast.nodes },
      ]
    },
  },
  'leaves in mid-sentence and stores the end of it, and nobody hears that it did': {
    acts(cast, chance) {
      const { at, node } = answering(cast, chance)
      return [
        { at, do: 'letters.cut', from: [node], to: allBut(cast, node), both: false, known: false, ms: 4_000 },
        { at: at + 1, do: 'node.leave', node },
      ]
    },
  },
  'what the heir of the dead asks for comes behind its own time, and before the next heir asks': {
    acts(cast, chance) {
      const { at, node, heir } = answering(cast, chance)
      return [
        { at, do: 'store.slow', most: 1_000 + chance.below(3_000), ms: cast.locks ? 5_000 : 10_000 },
        { at: at + 1, do: 'node.kill', node },
        { at: at + (cast.locks ? 100 : 5_000) + chance.below(2_500), do: 'node.leave', node: heir },
      ]
    },
  },
  'gives a conversation at rest away, and whoever listens reads from a slow store where it stands while more is said': {
    isWatched: true,
    acts(cast, chance) {
      const { chat, node } = answering(cast, chance)
      const at = Math.max(...cast.said.map((act) => act.at)) + 3_000
      const ms = 400 + chance.below(600)
      return [
        { at, do: 'node.leave', node },
        // Those who ask within wait until long afterwards, and whoever asks behind does not.
        { at: at + 10 + chance.below(60), do: 'store.slow', most: 5_000, ms },
        ...[0, 1, 2, 3].map((nth) => more(cast, chance, chat, at + ms + 200 + nth * (100 + chance.below(600)), 80 + nth)),
      ]
    },
  },
}
