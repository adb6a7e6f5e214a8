/** One node of a fleet: a real process behind lines of its own to PostgreSQL and Redis. It starts and ends when it is told to, and only then. */
import { readFileSync } from 'node:fs'
import type { Proxy } from '../support/proxy.ts'
import { now } from './journal.ts'
import type { Life, Program } from './program.ts'

/** Exit code or signal. */
export type End = number | NodeJS.Signals

export interface FleetNode {
  name: string
  /** Where its clients find it. */
  url: string
  postgres: Proxy
  redis?: Proxy
  /** Where only a bridge leads out. */
  model?: Proxy
  /** Begins a life, with these settings beside the usual ones; throws where one goes on. Another program is kept for later lives. */
  start(settings?: Record<string, string>, program?: Pick<Program, 'start'>): void
  /** Resolves when the present life is ready to serve; throws a sentence when it ended before. */
  ready(): Promise<void>
  alive(): boolean
  /** Milliseconds for which the present life has been ready. */
  age(): number
  /** Of the present life. */
  pid(): number
  /** Which of all lives of the fleet the present one is. */
  life(): number
  /** How the present life ends. */
  ended(): Promise<End>
  /** False when it has ended already. */
  signal(name: NodeJS.Signals): boolean
  /** kill -9; resolves when it is gone. */
  kill(): Promise<void>
  /** SIGTERM; resolves with its end. */
  term(): Promise<End>
  /** It stands still, and the kernel keeps its connections open. */
  freeze(): void
  thaw(): void
  /** How often all of its lives have logged this; the pattern is global. */
  logged(pattern: RegExp): number
  /** Lives that ended otherwise than by `kill` or `term`, or that `term` did not end cleanly. */
  surprises: string[]
}

export interface NodeNeeds extends Pick<FleetNode, 'name' | 'url' | 'postgres'> {
  redis?: Proxy | undefined
  model?: Proxy | undefined
  program: Pick<Program, 'start'>
  log: string
  /** A command that becomes the program, where it runs in a namespace. */
  within: readonly string[]
  /** Numbers all lives of the fleet. */
  count(): number
  /** What the nth life is started with. */
  settings(life: number): Record<string, string>
}

export function createNode({ name, url, postgres, redis, model, program, log, within, count, settings }: NodeNeeds): FleetNode {
  let own = program
  const surprises: string[] = []
  let life: Life | undefined
  let number = 0
  /** By our hand, and how it may end then. */
  let expected: End | undefined
  let isOver = true
  let readyAt = Number.POSITIVE_INFINITY

  const present = (): Life => {
    if (!life) throw new Error(`${name} was never started`)
    return life
  }

  const node: FleetNode = {
    name,
    url,
    postgres,
    ...(redis && { redis }),
    ...(model && { model }),
    surprises,
    start(more = {}, program = own) {
      if (!isOver) throw new Error(`${name} is running`)
      own = program
      const mine = (number = count())
      isOver = false
      expected = undefined
      readyAt = Number.POSITIVE_INFINITY
      const begun = (life = program.start({ ...settings(mine), ...more }, log, within))
      void begun.ready.then((is) => {
        if (is && life === begun) readyAt = now()
      })
      void life.ended.then((end) => {
        isOver = true
        if (end !== expected) surprises.push(`life ${mine} (${name}) ended with ${end}${expected === undefined ? '' : ` after SIGTERM`}`)
      })
    },
    async ready() {
      const { ready, ended } = present()
      if (!(await ready)) throw new Error(`${name} ended with ${await ended} before it was ready; its log is ${log}`)
    },
    alive: () => !isOver,
    age: () => Math.max(0, now() - readyAt),
    pid: () => present().pid,
    life: () => number,
    ended: () => present().ended,
    signal(name) {
      try {
        return !isOver && process.kill(present().pid, name)
      } catch {
        return false // it has ended in this very moment
      }
    },
    async kill() {
      if (!isOver) expected = 'SIGKILL'
      node.signal('SIGKILL')
      await present().ended
    },
    async term() {
      if (!isOver) expected = 0
      node.signal('SIGTERM')
      return present().ended
    },
    freeze: () => void node.signal('SIGSTOP'),
    thaw: () => void node.signal('SIGCONT'),
    logged: (pattern) => (number === 0 ? 0 : [...readFileSync(log, 'utf8').matchAll(pattern)].length),
  }
  return node
}
