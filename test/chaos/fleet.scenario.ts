/** What a fault of a fleet is. Numbers are those of the catalogue of faults. */
import type { Manner } from './double.ts'
import type { Stage } from './fleet.stage.ts'
import type { Breakable } from './ground.ts'
import type { Strike } from './scenarios.ts'
import type { Habits } from './talker.ts'
import type { Kept } from './verdict.ts'

export interface FleetScenario {
  name: string
  /** Its number. */
  fault: string
  /** How the fault is made. */
  about: string
  /** The promises that it is meant to shake; all of them are looked at whatever happens. */
  holds: readonly Kept[]
  /** What is measured: from where to the next word. */
  figure: string
  /** Its faults are kills, which `--kills` counts. */
  kills?: true
  /** Without Redis there is nothing to break. */
  needsRedis?: true
  /** Namespaces, so that a node can be cut off from everything. */
  needsNetwork?: true
  /** Needs one that nobody else uses. */
  breaks?: Breakable
  /** Says why it cannot be done on this machine. */
  impossible?(): string | undefined
  habits?: Partial<Habits>
  manner?: Omit<Manner, 'world'>
  clients?: number
  /** What a life is started with. */
  settings?(chance: Stage['chance'], node: string, life: number): Record<string, string>
  /** A process that ends by itself, with a reason, is right to do so here. */
  mayEnd?: true
  /** How many faults of this kind are worth their time, where one of them takes long. */
  most?: number
  /** Resolves when the fault is over and healed, or undefined when it did not come about. */
  strike(stage: Stage): Promise<Strike | undefined>
}

export const moment = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))

/** Long and short alike: evenly by order of magnitude. */
export const between = (chance: Stage['chance'], low: number, high: number) => Math.round(low * (high / low) ** chance.next())

/** Whatever has ended begins again, and every node has its share. */
export async function whole(stage: Stage): Promise<void> {
  await stage.fleet.heal()
  stage.healed()
  for (let tries = 0; tries < 300 && !(await stage.fleet.isBalanced()); tries++) {
    // Some begin with the instant at which they end.
    if (stage.fleet.nodes.some((node) => !node.alive())) await stage.fleet.heal()
    await moment(100)
  }
  if (!(await stage.fleet.isBalanced())) stage.blame('live', 'half a minute after everything was whole not every node has its share')
}

/** Until those who were struck have heard a word again, for so many milliseconds at most; there is none to be heard where all nodes have ended. */
export async function recovered({ crowd, fleet }: Stage, ms: number): Promise<void> {
  const isAnyAlive = () => fleet.nodes.some((node) => node.alive())
  for (let waited = 0; waited < ms && crowd.listening() > 0 && isAnyAlive(); waited += 20) await moment(20)
}
