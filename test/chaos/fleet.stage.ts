/** Where the faults of a fleet are played: its nodes, the crowd before them, and whatever lies around that can be broken. */
import { join } from 'node:path'
import type { Network } from '../support/netns.ts'
import type { RedisServer } from '../support/redis.ts'
import { type Crowd, openCrowd } from './crowd.ts'
import type { Generation } from './double.ts'
import { installAudit, readAudit } from './fleet.audit.ts'
import { type Fleet, type FleetNeeds, type FleetNode, openFleet } from './fleet.ts'
import { openTester } from './fleet.tester.ts'
import { type Journal, createJournal, now } from './journal.ts'
import type { Program } from './program.ts'
import type { Habits } from './talker.ts'
import type { Kept, Violation } from './verdict.ts'

export interface Stage {
  fleet: Fleet
  crowd: Crowd
  journal: Journal
  ground: FleetNeeds['ground']
  chance: Fleet['chance']
  /** The program of tomorrow: it has a newer machine. */
  newer(): Promise<Pick<Program, 'start'>>
  /** Throw where the scenario did not ask for one. */
  redis(): RedisServer
  network(): Network
  /** The node that has most of the conversations in which words are being said, and which these are. */
  speaker(): Promise<{ node: FleetNode; speaking: Set<string> }>
  /** Conversations of this node in which words are being said. */
  speakingAt(node: FleetNode): Promise<Set<string>>
  /** Marks the moment of a fault: whoever hears words in these conversations, or in all, waits for the next one. */
  struck(only?: ReadonlySet<string>): void
  /** Marks the moment at which somebody dies who was speaking in these: what they wait for is the first word of a new attempt. */
  cut(only: ReadonlySet<string>): void
  /** Marks the moment at which what a fault took away is there again. */
  healed(): void
  /** Waits until most people have heard words since the last fault. */
  busy(): Promise<void>
  blame(promise: Kept, what: string): void
  /** Everything that the model has said so far. */
  generations(): Promise<Generation[]>
  /** Calls that the model has spoiled, by how. */
  spoiled(): Promise<string[]>
  /** Everything is whole again and comes to its end. Resolves with all that should not have been. */
  settle(): Promise<Violation[]>
  /** Ends it as it is. */
  close(): Promise<void>
}

export interface StageNeeds extends FleetNeeds {
  program: Program
  clients: number
  habits: Habits
}

/** Milliseconds after which a client believes that its node is gone. A browser would wait longer, and we would measure its patience. */
const DEAF = 3_000

export async function openStage(needs: StageNeeds): Promise<Stage> {
  const { folder, seed, clients, habits, model, name } = needs
  /** Nothing is broken any more. */
  let calm = false
  const fleet = await openFleet({ ...needs, settings: (node, life) => (calm ? {} : (needs.settings?.(node, life) ?? {})) })
  await installAudit(fleet.sql)
  const journal = createJournal(join(folder, 'witness.ndjson'))
  const violations: Violation[] = []
  let revive: NodeJS.Timeout | undefined
  let struckAt = now()
  // A balancer knows who has ended, and not who is frozen or cut off.
  const door = (chance: Fleet['chance']) => () => {
    const open = fleet.nodes.filter((node) => node.alive())
    return chance.pick(open.length > 0 ? open : fleet.nodes).url
  }
  const crowd = openCrowd({ journal, seed, clients, habits, door, deaf: DEAF })
  const tester = openTester({ urls: fleet.nodes.map(({ url }) => url), seed, journal })

  const stage: Stage = {
    fleet,
    crowd,
    journal,
    ground: needs.ground,
    chance: fleet.chance,
    newer: () => needs.program.newer(join(folder, 'newer')),
    redis: () => present(needs.redis, 'Redis'),
    network: () => present(needs.network, 'network'),
    async speaker() {
      const owners = await fleet.owners(crowd.speaking())
      const shares = fleet.nodes.map((node) => ({ node, speaking: ownedBy(node, owners) }))
      const most = Math.max(...shares.map(({ speaking }) => speaking.size))
      return fleet.chance.pick(shares.filter(({ node, speaking }) => speaking.size === most && node.alive()))
    },
    speakingAt: async (node) => ownedBy(node, await fleet.owners(crowd.speaking())),
    struck(only) {
      struckAt = now()
      crowd.struck(struckAt, only)
    },
    cut(only) {
      struckAt = now()
      crowd.struck(struckAt, only, true)
    },
    healed: crowd.healed,
    busy: () => crowd.busy(struckAt),
    blame: (promise, what) => void violations.push({ promise, conversation: '', what }),
    generations: () => model.generations(name),
    spoiled: async () => (await model.generations(name)).flatMap(({ fault }) => fault ?? []),
    async settle() {
      calm = true
      crowd.rest()
      await fleet.heal()
      const tested = tester.rest()
      crowd.healed()
      // A life that began before may still end at the instant that was set for it.
      revive = setInterval(() => {
        for (const node of fleet.nodes) if (!node.alive()) node.start()
      }, 100)
      const silent = await crowd.silent()
      clearInterval(revive)
      await fleet.heal()
      for (const one of silent) stage.blame('live', one)
      violations.push(...(await tested))
      // What a step does after its watchers were told takes a moment more.
      await new Promise((resolve) => setTimeout(resolve, 500))
      for (const sin of await readAudit(fleet.sql)) stage.blame('fence', sin)
      await stage.close()
      return violations
    },
    async close() {
      clearInterval(revive)
      crowd.close()
      await tester.close()
      await fleet.close()
      await journal.close()
    },
  }
  return stage
}

/** Conversations of these that this node has. */
export const ownedBy = (node: FleetNode, owners: ReadonlyMap<string, FleetNode>) =>
  new Set([...owners].filter(([, owner]) => owner === node).map(([conversation]) => conversation))

function present<T>(one: T | undefined, what: string): T {
  if (!one) throw new Error(`This scenario did not ask for a ${what}`)
  return one
}
