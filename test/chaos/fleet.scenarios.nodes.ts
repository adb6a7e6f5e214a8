/** Nodes that die, stand still, are cut off, or go by design. */
import { existsSync } from 'node:fs'
import { LEASE } from '../../runtime/cluster/proof.ts'
import { type Failpoint, failpoints } from '../../runtime/host/failpoint.ts'
import type { Toxic, Way } from '../support/proxy.ts'
import { whyNoNetwork } from '../support/netns.ts'
import type { FleetNode } from './fleet.ts'
import { type FleetScenario, between, moment, recovered, whole } from './fleet.scenario.ts'
import { type Stage, ownedBy } from './fleet.stage.ts'

/** Megabytes: more than a node needs, and soon full. */
const HEAP = 160

/** Where Debian has it. */
const faketime = ['/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1', '/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1']
const library = () => [process.env.LIBFAKETIME ?? '', ...faketime].find((path) => path && existsSync(path))

/** A clock of its own for a life; the one that only counts stays true, as it does when somebody sets the clock of a machine. */
const clockOff = (offset: string): Record<string, string> => ({ LD_PRELOAD: library() ?? '', FAKETIME: offset, DONT_FAKE_MONOTONIC: '1' })

/** In mid-stream: somebody hears words from this node. */
async function whileSpeaking(stage: Stage): Promise<{ node: FleetNode; speaking: Set<string> }> {
  await moment(stage.chance.below(400))
  for (let waited = 0; waited < 5_000; waited += 10) {
    const found = await stage.speaker()
    if (found.speaking.size > 0) return found
    await moment(10)
  }
  return stage.speaker()
}

/** Milliseconds after which a node counts as one that runs: what has just been loaded is slow, and would be all that is measured. */
const GROWN = 8_000

async function grown({ fleet: { nodes } }: Stage): Promise<void> {
  while (nodes.some((node) => node.age() < GROWN)) await moment(20)
}

/** Kills the node in mid-stream; the time runs for those whose conversations lived there. */
async function killSpeaker(stage: Stage): Promise<FleetNode> {
  const { node, speaking } = await whileSpeaking(stage)
  stage.cut(speaking)
  await node.kill()
  return node
}

/** Waits for a node that ends at an instant that was set for it; the time runs for those whose conversations lived there. */
async function fall(stage: Stage, ms: number): Promise<FleetNode | undefined> {
  const { nodes, owners } = stage.fleet
  const dead = () => nodes.find((node) => !node.alive())
  // Once it has ended somebody else may have everything already.
  let before = await owners(stage.crowd.speaking())
  for (let waited = 0; waited < ms && !dead(); waited += 5) {
    await moment(5)
    if (waited % 100 === 0 && !dead()) before = await owners(stage.crowd.speaking())
  }
  const node = dead()
  if (node) stage.cut(ownedBy(node, before))
  return node
}

/** Cuts something off for a while, heals it, and waits for words. */
function cut(
  ms: readonly [number, number],
  toxics: (chance: Stage['chance']) => { of: ('postgres' | 'redis')[]; toxic: Toxic; way: Way | 'both' },
) {
  return async (stage: Stage) => {
    const { of, toxic, way } = toxics(stage.chance)
    const { node, speaking } = await whileSpeaking(stage)
    stage.struck(speaking)
    for (const line of of) node[line]?.set(toxic, way)
    await moment(between(stage.chance, ...ms))
    for (const line of of) node[line]?.clear()
    stage.healed()
    await recovered(stage, 20_000)
    await whole(stage)
    return { what: `${toxic.type} ${way}` }
  }
}

/** Bytes that are held or lost: either happens, and the difference is seen only by whoever waits for an answer. */
const hole = (chance: Stage['chance']): Toxic => ({ type: chance.pick(['timeout', 'drop'] as const) })

/** How often a point is passed in a second of life, about. */
const often: Record<Failpoint, number> = {
  'event.accepted': 4,
  'step.computed': 15,
  'step.committed': 15,
  'effect.started': 12,
  'delta.spoken': 60,
  'chunk.kept': 2,
  'effect.ended': 12,
  'end.committed': 10,
  'timer.due': 3,
  'start.adopting': 1,
  'join.read': 8,
}
const pointOf = (life: number): Failpoint => failpoints[life % failpoints.length] as Failpoint

export const nodeScenarios: readonly FleetScenario[] = [
  {
    name: 'owner',
    fault: 'F1',
    about: 'kill -9 of the node that owns what is being said, in mid-stream',
    holds: ['loss', 'once', 'order', 'bytes', 'cost', 'fence'],
    figure: 'from the kill to the first word of the next attempt, in the conversations that it owned',
    kills: true,
    async strike(stage) {
      await grown(stage)
      await killSpeaker(stage)
      await recovered(stage, 20_000)
      await whole(stage)
      return {}
    },
  },
  {
    name: 'point',
    fault: 'F28',
    about: 'kill -9 of a node at every named instant in turn',
    holds: ['loss', 'once', 'order', 'bytes', 'cost'],
    figure: 'from the kill to the first word of the next attempt, in the conversations that it owned',
    kills: true,
    settings: (chance, _, life) => ({
      GATHER_WINDOW_MS: '20',
      FAILPOINTS: `${pointOf(life)}:${1 + chance.below(often[pointOf(life)] * 3)}`,
    }),
    async strike(stage) {
      const fallen = await fall(stage, 15_000)
      if (!fallen) await killSpeaker(stage)
      const what = fallen ? pointOf(fallen.life()) : 'not reached'
      await recovered(stage, 20_000)
      await whole(stage)
      return { what }
    },
    mayEnd: true,
  },
  {
    name: 'memory',
    fault: 'F4',
    about: `the heap of a node, ${HEAP} MB, is filled at a named instant until V8 gives up`,
    holds: ['loss', 'once', 'order', 'bytes', 'live'],
    figure: 'from its end to the first word of the next attempt, in the conversations that it owned',
    settings(chance) {
      const point = chance.pick(['delta.spoken', 'step.computed', 'step.committed', 'effect.ended'] as const)
      return { NODE_OPTIONS: `--max-old-space-size=${HEAP}`, FAILPOINTS: `${point}:${1 + chance.below(often[point] * 10)}=exhaust` }
    },
    mayEnd: true,
    async strike(stage) {
      const fallen = await fall(stage, 20_000)
      if (!fallen) return undefined
      await recovered(stage, 20_000)
      await whole(stage)
      return {}
    },
  },
  {
    name: 'resend',
    fault: 'F22',
    about: 'kill -9 of a node right after messages were sent, which are sent again elsewhere',
    holds: ['once', 'loss'],
    figure: 'from the kill to the first word of the next attempt, in the conversations that it owned',
    kills: true,
    habits: { losesAnswer: 0.3, twice: 0.4, burst: 0.4 },
    async strike(stage) {
      const sent = () => stage.journal.count('sent')
      await moment(stage.chance.below(800))
      for (let waited = 0, before = sent(); waited < 1_000 && sent() === before; waited += 2) await moment(2)
      await moment(stage.chance.below(8))
      const { node, speaking } = await stage.speaker()
      stage.cut(speaking)
      await node.kill()
      await recovered(stage, 20_000)
      await whole(stage)
      return {}
    },
  },
  {
    name: 'freeze',
    fault: 'F2',
    about: 'SIGSTOP of the owner for three leases, then SIGCONT: it wakes up and believes that it still owns',
    holds: ['fence', 'once', 'bytes', 'cost'],
    figure: 'from the stop to the first word of the next attempt, from another node',
    async strike(stage) {
      const { node, speaking } = await whileSpeaking(stage)
      stage.cut(speaking)
      node.freeze()
      await moment(LEASE * 3)
      node.thaw()
      stage.healed()
      await recovered(stage, 20_000)
      await whole(stage)
      return {}
    },
  },
  {
    name: 'pause',
    fault: 'F2',
    about: 'SIGSTOP of the owner for 0.1 to 8 s: shorter and longer than its lease',
    holds: ['fence', 'once', 'bytes'],
    figure: 'from the stop to the next word',
    async strike(stage) {
      const { node, speaking } = await whileSpeaking(stage)
      stage.struck(speaking)
      node.freeze()
      await moment(between(stage.chance, 100, 8_000))
      node.thaw()
      stage.healed()
      await recovered(stage, 20_000)
      await whole(stage)
      return {}
    },
  },
  {
    name: 'stall',
    fault: 'F3',
    about: 'the event loop of a node stands still for 0.2 to 10 s at a named instant',
    holds: ['fence', 'once', 'live'],
    figure: 'from the end of the stall to the next word',
    settings: (chance) => {
      const points = ['delta.spoken', 'step.computed', 'step.committed', 'effect.ended'] as const
      const one = () => {
        const point = chance.pick(points)
        return `${point}:${1 + chance.below(often[point] * 40)}=stall:${between(chance, 200, 10_000)}`
      }
      return { FAILPOINTS: Array.from({ length: 20 }, one).join(',') }
    },
    async strike(stage) {
      const stalls = () => stage.fleet.nodes.reduce((all, node) => all + node.logged(/^failpoint .*: stall/gm), 0)
      const before = stalls()
      for (let waited = 0; waited < 20_000 && stalls() === before; waited += 50) await moment(50)
      if (stalls() === before) return undefined
      stage.struck()
      await recovered(stage, 30_000)
      return {}
    },
  },
  {
    name: 'cut',
    fault: 'F5',
    about: 'a node is cut off from everything, in silence, for 1 to 20 s',
    holds: ['fence', 'loss', 'once', 'order'],
    figure: 'from the cut to the next word',
    needsNetwork: true,
    impossible: whyNoNetwork,
    strike: partition(async (place) => {
      await place.cut()
      return 'both ways'
    }),
  },
  {
    name: 'half-cut',
    fault: 'F6',
    about: 'what a node sends gets lost, or what is sent to it, for 1 to 20 s',
    holds: ['fence', 'loss', 'once', 'order'],
    figure: 'from the cut to the next word',
    needsNetwork: true,
    impossible: whyNoNetwork,
    strike: partition(async (place, chance) => {
      const lost = chance.pick(['out', 'in'] as const)
      await place.oneWay(lost)
      return `lost ${lost}`
    }),
  },
  {
    name: 'cut-store',
    fault: 'F5',
    about: 'the owner loses PostgreSQL alone for 1 to 20 s: bytes are held or lost, nobody is told',
    holds: ['fence', 'loss', 'once', 'order'],
    figure: 'from the cut to the next word',
    strike: cut([1_000, 20_000], (chance) => ({ of: ['postgres'], toxic: hole(chance), way: 'both' })),
  },
  {
    name: 'cut-redis',
    fault: 'F5',
    about: 'the owner loses Redis alone for 1 to 20 s',
    holds: ['live', 'bytes', 'order'],
    figure: 'from the cut to the next word',
    needsRedis: true,
    strike: cut([1_000, 20_000], (chance) => ({ of: ['redis'], toxic: hole(chance), way: 'both' })),
  },
  {
    name: 'cut-both',
    fault: 'F5',
    about: 'the owner loses PostgreSQL and Redis for 1 to 20 s and still has its clients',
    holds: ['fence', 'loss', 'once', 'order'],
    figure: 'from the cut to the next word',
    needsRedis: true,
    strike: cut([1_000, 20_000], (chance) => ({ of: ['postgres', 'redis'], toxic: hole(chance), way: 'both' })),
  },
  {
    name: 'one-way',
    fault: 'F6',
    about: 'on the line of the owner to PostgreSQL, Redis or both only questions or only answers get lost, for 1 to 20 s',
    holds: ['fence', 'loss', 'once', 'order'],
    figure: 'from the cut to the next word',
    strike: cut([1_000, 20_000], (chance) => ({
      of: chance.pick([['postgres'], ['redis'], ['postgres', 'redis']] as ('postgres' | 'redis')[][]),
      toxic: hole(chance),
      way: chance.pick(['up', 'down'] as const),
    })),
  },
  {
    name: 'slow-lines',
    fault: 'F7',
    about: 'every line of every node is late by 20 to 100 ms, loses one packet in fifty, and comes in small pieces, for 5 s',
    holds: ['bytes', 'order', 'live'],
    figure: 'from its beginning to the next word',
    async strike(stage) {
      const lines = stage.fleet.nodes.flatMap(({ postgres, redis }) => [postgres, ...(redis ? [redis] : [])])
      stage.struck()
      for (const line of lines) {
        line.set({ type: 'latency', ms: 20, jitter: 80 })
        line.set({ type: 'loss', rate: 0.02 })
        line.set({ type: 'slicer', size: 700, variation: 600 })
      }
      await moment(5_000)
      for (const line of lines) line.clear()
      stage.healed()
      await recovered(stage, 20_000)
      return {}
    },
  },
  {
    name: 'reset',
    fault: 'F7',
    about: 'every connection of a node to PostgreSQL and Redis is reset at once',
    holds: ['loss', 'once', 'order'],
    figure: 'from the reset to the next word',
    async strike(stage) {
      const { node, speaking } = await whileSpeaking(stage)
      stage.struck(speaking)
      node.postgres.reset()
      node.redis?.reset()
      await recovered(stage, 20_000)
      await whole(stage)
      return {}
    },
  },
  {
    name: 'clock',
    fault: 'F21',
    about: 'the clock of one node is an hour ahead or behind; it starts again with another one',
    holds: ['order', 'once', 'live'],
    figure: 'from its SIGTERM to the next word in the conversations that it owned',
    impossible: () => (library() ? undefined : 'libfaketime is not installed (Debian: faketime, or its path in LIBFAKETIME)'),
    async strike(stage) {
      const { node, speaking } = await whileSpeaking(stage)
      const offset = stage.chance.pick(['+1h', '-1h', '+1d'])
      stage.struck(speaking)
      await node.term()
      node.start(clockOff(offset))
      await whole(stage)
      await moment(5_000)
      await recovered(stage, 20_000)
      return { what: offset }
    },
  },
  {
    name: 'deploy',
    fault: 'F26',
    about: 'SIGTERM to each node in turn, which starts again: a rolling deploy',
    holds: ['loss', 'once', 'bytes', 'live'],
    figure: 'from each SIGTERM to the next word in the conversations that it owned',
    async strike(stage) {
      const refused = stage.journal.count('refused')
      for (const node of stage.fleet.nodes) {
        stage.struck(await stage.speakingAt(node))
        await node.term()
        node.start()
        await whole(stage)
        await stage.busy()
      }
      const told = stage.journal.count('refused') - refused
      return { what: told > 0 ? `${told} requests refused` : 'nothing refused' }
    },
  },
  {
    name: 'versions',
    fault: 'F27',
    about: 'a node with a newer machine joins, is killed and comes back; then the others follow, one by one',
    holds: ['loss', 'once', 'live'],
    figure: 'from each SIGTERM or kill to the next word in the conversations that the node owned',
    most: 1, // nobody goes back
    async strike(stage) {
      const program = await stage.newer()
      for (const node of stage.fleet.nodes) {
        stage.struck(await stage.speakingAt(node))
        await node.term()
        node.start({}, program)
        await whole(stage)
        await moment(3_000)
        // What it has stored is nothing for those who are older: it waits.
        stage.struck(await stage.speakingAt(node))
        await node.kill()
        await moment(1_000)
        await whole(stage)
        await stage.busy()
      }
      return {}
    },
  },
]

function partition(how: (place: ReturnType<Stage['network']>['places'][number], chance: Stage['chance']) => Promise<string>) {
  return async (stage: Stage) => {
    const { node, speaking } = await whileSpeaking(stage)
    const place = stage.network().places[stage.fleet.nodes.indexOf(node)]
    if (!place) return undefined
    stage.struck(speaking)
    const what = await how(place, stage.chance)
    await moment(between(stage.chance, 1_000, 20_000))
    await place.heal()
    stage.healed()
    await recovered(stage, 20_000)
    await whole(stage)
    return { what }
  }
}
