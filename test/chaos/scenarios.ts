/** What is done to a world. One strike is one fault; what comes before and after is the same for all of them. */
import { type Failpoint, failpoints } from '../../runtime/host/failpoint.ts'
import type { Manner } from './double.ts'
import type { Breakable, StoreKind } from './ground.ts'
import { now } from './journal.ts'
import type { Habits } from './talker.ts'
import type { World } from './world.ts'

/** A fault that came about, and what it was where a scenario has several. */
export interface Strike {
  what?: string
}

export interface Scenario {
  name: string
  about: string
  /** Its faults are kills, which `--kills` counts. */
  kills: boolean
  stores: readonly StoreKind[]
  habits?: Partial<Habits>
  manner?: Omit<Manner, 'world'>
  /** What the nth life is started with. */
  settings?(world: Pick<World, 'chance'>, life: number): Record<string, string>
  /** false: the next fault need not wait until everybody is talking again. */
  waits?: false
  /** Needs one that nobody else uses. */
  breaks?: Exclude<Breakable, 'primary'>
  /** A process that ends by itself, with a reason, is right to do so here. */
  mayEnd?: true
  /** Clients of one world, where the usual number would be too many. */
  clients?: number
  /** Resolves when the fault has healed, or undefined when it did not come about. */
  strike(world: World): Promise<Strike | undefined>
}

const both = ['pglite', 'postgres'] as const
const moment = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))

/** How often a point is passed in a second of life, about; the nth time is drawn from it. */
const often: Record<Failpoint, number> = {
  'event.accepted': 8,
  'step.computed': 30,
  'step.committed': 30,
  'effect.started': 25,
  'delta.spoken': 120,
  'chunk.kept': 3,
  'effect.ended': 25,
  'end.committed': 20,
  'timer.due': 6,
  'start.adopting': 1,
  'join.read': 10,
}

/** The point at which the nth life ends. */
const pointOf = (life: number) => failpoints[life % failpoints.length] as Failpoint

type Chance = World['chance']

/** Long and short alike: between the two, evenly by order of magnitude. */
const between = (chance: Chance, low: number, high: number) => Math.round(low * (high / low) ** chance.next())

export const scenarios: readonly Scenario[] = [
  {
    name: 'kill',
    about: 'kill -9 at a random moment in mid-stream',
    kills: true,
    stores: both,
    async strike(world) {
      await moment(world.chance.below(400))
      await world.kill()
      return {}
    },
  },
  {
    name: 'point',
    about: 'kill -9 at every named instant in turn',
    kills: true,
    stores: both,
    waits: false,
    // With a window for gathering, or timers would hardly ever come due.
    settings: ({ chance }, life) => ({ GATHER_WINDOW_MS: '20', FAILPOINTS: `${pointOf(life)}:${1 + chance.below(often[pointOf(life)])}` }),
    async strike(world) {
      const death = await world.death(5_000)
      if (death) return { what: pointOf(death.life) }
      await world.kill()
      return { what: 'not reached' }
    },
  },
  {
    name: 'resend',
    about: 'kill -9 right after messages were sent, whose answers are lost',
    kills: true,
    stores: both,
    habits: { losesAnswer: 0.3, twice: 0.4, burst: 0.4 },
    async strike(world) {
      const sent = () => world.journal.count('sent')
      await moment(world.chance.below(800)) // or hardly an answer would ever be whole
      for (const before = sent(), end = now() + 1_000; sent() === before && now() < end; ) await moment(2)
      await moment(world.chance.below(8))
      await world.kill()
      return {}
    },
  },
  {
    name: 'stop',
    about: 'kill -9 while people stop answers',
    kills: true,
    stores: both,
    habits: { stops: 0.6 },
    async strike(world) {
      await moment(world.chance.below(400))
      await world.kill()
      return {}
    },
  },
  {
    name: 'pause',
    about: 'SIGSTOP, and SIGCONT after 50 ms to 3 s',
    kills: false,
    stores: both,
    async strike(world) {
      await moment(world.chance.below(200))
      world.signal('SIGSTOP')
      await moment(between(world.chance, 50, 3_000))
      world.signal('SIGCONT')
      world.strike()
      return {}
    },
  },
  {
    name: 'stall',
    about: 'the event loop stands still for 50 ms to 2 s at a named instant',
    kills: false,
    stores: both,
    waits: false,
    settings: ({ chance }) => ({ FAILPOINTS: stalls(chance) }),
    async strike(world) {
      const before = world.logged(reached)
      for (let waited = 0; waited < 10_000; waited += 20) {
        await moment(20)
        if (world.logged(reached) === before) continue
        world.strike()
        return {}
      }
      return undefined
    },
  },
  {
    name: 'restart',
    about: 'PostgreSQL is ended at once and started again',
    kills: false,
    stores: ['postgres'],
    breaks: 'server',
    async strike(world) {
      await moment(world.chance.below(400))
      world.strike()
      await world.ground.server?.restart()
      world.heal()
      return {}
    },
  },
  {
    name: 'disk',
    about: 'the disk of the store is full until somebody notices, and for 0.2 to 2 s more',
    kills: false,
    stores: both,
    breaks: 'disk',
    mayEnd: true,
    async strike(world) {
      const { chance, ground } = world
      await moment(chance.below(300))
      const noticed = () => world.logged(/no space left/gi) + world.surprises.length
      const before = noticed()
      await ground.disk?.fill()
      for (let waited = 0; waited < 10_000 && noticed() === before; waited += 20) await moment(20)
      const bites = noticed() > before
      await moment(between(chance, 200, 2_000))
      await ground.disk?.clear()
      await ground.server?.revive()
      world.strike()
      return bites ? {} : undefined
    },
  },
  {
    name: 'provider',
    about: 'of the model calls 30 % end in 429, 500, silence, a cut or garbage',
    kills: false,
    stores: both,
    waits: false,
    manner: { spoiled: 30 },
    async strike(world) {
      const before = (await world.spoiled()).length
      for (let waited = 0; waited < 20_000; waited += 50) {
        await moment(50)
        const spoiled = await world.spoiled()
        if (spoiled.length > before) return { what: spoiled[before] as string }
      }
      return undefined
    },
  },
  {
    name: 'reader',
    about: 'readers stop reading for 0.3 to 2.3 s in the middle of a megabyte',
    kills: false,
    stores: both,
    waits: false,
    clients: 4,
    manner: { long: true },
    habits: { stalls: 1, stops: 0, losesAnswer: 0, most: 1 },
    async strike(world) {
      const before = world.journal.count('stalled')
      for (let waited = 0; waited < 20_000; waited += 20) {
        await moment(20)
        if (world.journal.count('stalled') > before) return {}
      }
      return undefined
    },
  },
]

const reached = /^failpoint /gm

/** Many stalls in one life, each after some passes more. */
function stalls(chance: Chance): string {
  const passes = new Map<Failpoint, number>()
  return Array.from({ length: 100 }, () => {
    const point = chance.pick(['delta.spoken', 'step.computed', 'step.committed', 'effect.ended'] as const)
    const nth = (passes.get(point) ?? 0) + 1 + chance.below(often[point] * 4)
    passes.set(point, nth)
    return `${point}:${nth}=stall:${between(chance, 50, 2_000)}`
  }).join(',')
}
