/** One store, one server process that is started again after every end, and a crowd of clients that talk through all of it. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '../support/port.ts'
import type { Wire } from '../support/provider.ts'
import { random } from '../support/random.ts'
import { comes, openCrowd } from './crowd.ts'
import type { Recoveries } from './recoveries.ts'
import type { Ground } from './ground.ts'
import { type Journal, createJournal, now } from './journal.ts'
import type { Model } from './model.ts'
import type { Life, Program } from './program.ts'
import type { Habits } from './talker.ts'

export interface WorldNeeds {
  name: string
  folder: string
  program: Program
  model: Model
  ground: Ground
  wire: Wire
  seed: number
  clients: number
  /** Seconds. */
  patience: number
  habits: Habits
  /** What the nth life is started with, beside the store and the model; nothing while everything comes to its end. */
  settings(life: number): Record<string, string>
}

export interface World extends Pick<WorldNeeds, 'ground'> {
  chance: ReturnType<typeof random>
  /** False when the present life has just ended. */
  signal(name: NodeJS.Signals): boolean
  /** Which life ends next otherwise than by `kill`; undefined when one has been ready for so many milliseconds and lives on. */
  death(ms: number): Promise<{ life: number } | undefined>
  /** How often all lives together have logged this; the pattern is global. */
  logged(pattern: RegExp): number
  /** Calls that the double has spoiled, by how. */
  spoiled(): Promise<string[]>
  /** kill -9, and the next life begins. */
  kill(): Promise<void>
  /** Resolves when a life is ready. */
  ready(): Promise<void>
  /** Waits until most clients have heard words since the last fault, so that the next one finds them talking. */
  busy(): Promise<void>
  /** Marks the moment of a fault that is not the end of a life: whoever is listening to words waits for the next one. */
  strike(): void
  /** Marks the moment at which what a fault took away is there again. */
  heal(): void
  /** Lets everything come to its end and stops the server. Resolves with what never did. */
  settle(): Promise<string[]>
  /** What its clients have written down. */
  journal: Journal
  recoveries(): Recoveries
  /** Lives that ended otherwise than by our hand. */
  surprises: string[]
  lives(): number
}

export async function openWorld(needs: WorldNeeds): Promise<World> {
  const { name, folder, program, model, ground, wire, seed, clients, patience, habits } = needs
  const chance = random(seed)
  const journal = createJournal(join(folder, 'witness.ndjson'))
  const port = await freePort(chance)
  const url = `http://127.0.0.1:${port}`
  const log = join(folder, 'server.log')
  const surprises: string[] = []
  let number = 0
  let life: Life
  let began = 0
  /** Of the present life. */
  let readyAt: number | undefined
  let struckAt = 0
  let killedAt: number | undefined
  /** Nothing is broken any more. */
  let calm = false
  let closing = false
  /** Not yet asked about. */
  const deaths: { life: number }[] = []

  function begin(): Life {
    number++
    readyAt = undefined
    const own = calm ? {} : needs.settings(number)
    return program.start({ ...ground.settings, ...model.settings(name, number, wire), ...own, PORT: String(port) }, log)
  }

  /** As whatever keeps a service running does. */
  async function supervise() {
    for (let pause = 50; !closing; ) {
      life = begin()
      void life.ready.then((is) => {
        if (!is) return
        began = readyAt = now()
        crowd.healed()
      })
      const end = await life.ended
      const at = killedAt ?? now()
      if (killedAt === undefined) deaths.push({ life: number })
      killedAt = undefined
      crowd.struck(at)
      if (end !== 'SIGKILL' && !closing) surprises.push(`life ${number} ended with ${end}`)
      // Killed: at once. Ended by itself: it may have a reason that lasts.
      pause = end === 'SIGKILL' ? 0 : Math.min(1_000, Math.max(50, pause * 2))
      if (pause) await new Promise((resolve) => setTimeout(resolve, pause))
    }
  }

  const supervised = supervise()
  const crowd = openCrowd({ journal, seed, clients, habits, door: () => () => url })

  /** False when it has ended by itself in this very moment. */
  function signal(name: NodeJS.Signals): boolean {
    try {
      return process.kill(life.pid, name)
    } catch {
      return false
    }
  }

  const world: World = {
    ground,
    chance,
    signal,
    async death(ms) {
      await comes(() => deaths.length > 0 || (readyAt !== undefined && now() - readyAt > ms), 60_000)
      return deaths.shift()
    },
    logged: (pattern) => [...readFileSync(log, 'utf8').matchAll(pattern)].length,
    spoiled: async () => (await model.generations(name)).flatMap(({ fault }) => fault ?? []),
    async kill() {
      const { ended } = life
      killedAt = now()
      if (!signal('SIGKILL')) killedAt = undefined
      await ended
    },
    async ready() {
      while (!(await life.ready)) await new Promise((resolve) => setTimeout(resolve, 20))
    },
    async busy() {
      await world.ready()
      await crowd.busy(Math.max(began, struckAt))
    },
    strike() {
      struckAt = now()
      crowd.struck(struckAt)
    },
    heal: crowd.healed,
    async settle() {
      calm = true
      crowd.rest()
      await world.ready()
      const silent = await crowd.silent()
      // What a step does after its watchers were told, such as letting go of a stream's pieces, takes a moment more.
      await new Promise((resolve) => setTimeout(resolve, 300))
      crowd.close()
      closing = true
      signal('SIGTERM')
      const late = setTimeout(() => signal('SIGKILL'), 15_000)
      const end = await life.ended
      clearTimeout(late)
      if (end !== 0) surprises.push(`the last life ended with ${end} after SIGTERM`)
      await supervised
      await journal.close()
      return silent
    },
    journal,
    recoveries: () => crowd.recoveries(patience * 1_000),
    surprises,
    lives: () => number,
  }
  return world
}
