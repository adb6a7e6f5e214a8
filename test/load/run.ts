/** One run from its beginning to its report, whoever plays in it and wherever. */
import { thisMachine } from '../bench/machine.ts'
import { now } from '../chaos/journal.ts'
import type { Crew, Plan } from './crew.ts'
import { type Report, reportOf } from './report.ts'
import { type Part, sumOf } from './tally.ts'

export type Phase = 'connecting' | 'speaking' | 'settling' | 'over'

export interface Glance {
  phase: Phase
  /** Seconds since this phase began, and those that it may take. */
  seconds: number
  of: number
  part: Part
  joined: number
  waiting: number
}

export interface Run {
  done: Promise<Report>
  /** Says nothing more and waits for the end of what is under way; at the second call, not even that. */
  stop(): Promise<void>
  glance(): Promise<Glance>
}

/** Milliseconds between the last connect and the first message, so that all crews begin in time. */
const BREATH = 100

export function conduct(crews: readonly Crew[], plan: Plan, workers: number): Run {
  const startedAt = now()
  const machine = thisMachine() // as it is before the load
  let phase: Phase = 'connecting'
  let since = startedAt
  let stops = 0
  const all = <T>(ask: (crew: Crew) => Promise<T>): Promise<T[]> => Promise.all(crews.map(ask))
  const enter = (next: Phase) => {
    phase = next
    since = now()
  }

  async function play(): Promise<Report> {
    await all((crew) => crew.connect())
    enter('speaking')
    const begin = now() + BREATH
    await all((crew) => crew.speak(begin))
    enter('settling')
    await all((crew) => crew.settle())
    enter('over')
    const part = sumOf(await all((crew) => crew.close()))
    return reportOf(part, { plan, workers, machine, startedAt, endedAt: now(), interrupted: stops > 1, endedEarly: stops > 0 })
  }

  return {
    done: play(),
    async stop() {
      stops++
      await all((crew) => crew.stop())
    },
    async glance() {
      const of = { connecting: plan.ramp, speaking: plan.duration, settling: plan.tail, over: 0 }[phase]
      const seconds = Math.max(0, now() - since) / 1000
      const seen = await all((crew) => crew.progress())
      const sum = (what: 'joined' | 'waiting') => seen.reduce((whole, one) => whole + one[what], 0)
      return { phase, seconds, of, part: sumOf(seen.map(({ part }) => part)), joined: sum('joined'), waiting: sum('waiting') }
    },
  }
}
