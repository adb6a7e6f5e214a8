/**
 * Group commit: steps of different actors that are ready in the same moment travel to the store as one statement. Round trips
 * are the limit, not fsync; while one batch is on its way the next one gathers by itself. A step that the store refuses, or
 * whose row somebody else holds, is sent again alone: it costs the others one more statement and nothing else.
 */
import type { Database } from '../../sql/database.ts'
import type { Doer } from '../../sql/effects.ts'
import { type Outcome, type StepRow, commitSteps, isConflict, isHeld, isUnstorable } from '../../sql/steps.ts'
import { type Clock, systemClock } from './clock.ts'

/** The store was asked and cannot hold this step, now or ever. Nothing of it happened. */
export class Unstorable extends Error {
  override readonly name = 'Unstorable'
}

export interface Committer {
  /** Throws `Unstorable`, or anything else when the store did not answer: whether the step happened is then unknown. */
  commit(row: StepRow): Promise<Outcome>
}

interface Job {
  row: StepRow
  /** Who had the actor when it stepped. */
  me: Doer
  resolve(outcome: Outcome): void
  reject(error: unknown): void
}

interface Options {
  /** Who commits. */
  ownership: { readonly me: Doer }
  /** For the pauses of a step that is kept out. */
  clock?: Clock
  /** Statements under way at the same time. */
  lanes?: number
  /** Steps in one statement. */
  most?: number
}

/** Steps that share a statement before a second lane opens: for fewer, a statement of their own costs more than it saves. */
const SHARE = 16
/** Milliseconds between two tries of a step whose row somebody else holds, and for how long it is tried. */
const PAUSE = 100
const PATIENCE = 5_000

export function createCommitter(db: Database, { ownership, clock = systemClock, lanes = 2, most = 64 }: Options): Committer {
  const waiting: Job[] = []
  let busy = 0

  function pump() {
    while (busy < lanes && waiting.length > 0) {
      // Whoever takes all there is leaves the other lane idle until it is back.
      const share = Math.max(SHARE, Math.ceil(waiting.length / (lanes - busy)))
      busy++
      void send(waiting.splice(0, Math.min(most, share))).finally(() => {
        busy--
        pump()
      })
    }
  }

  /** A life that is over commits nothing, also while nobody else has taken what it had. */
  const isOver = ({ me }: Job) => me.life !== ownership.me.life

  async function send(all: Job[]) {
    for (const job of all) if (isOver(job)) job.resolve('ousted')
    const jobs = all.filter((job) => !isOver(job))
    if (jobs.length === 0) return
    try {
      const outcomes = await commitSteps(
        db,
        jobs.map(({ row }) => row),
        ownership.me,
      )
      for (const [at, job] of jobs.entries()) job.resolve(outcomes[at] ?? 'fenced')
    } catch (error) {
      if (!isConflict(error) && !isUnstorable(error) && !isHeld(error)) for (const job of jobs) job.reject(error)
      // One of them cannot be stored, or meets what another session stored at this very moment or still holds. The others do
      // not wait for it, and neither does the lane.
      else for (const job of jobs) void settle(job)
    }
  }

  /** Sends one step by itself, and again while that can help. */
  async function settle(job: Job) {
    const { row, resolve, reject } = job
    const until = clock.ticks() + PATIENCE
    for (let conflicts = 0; ; ) {
      if (isOver(job)) return resolve('ousted')
      try {
        const [outcome] = await commitSteps(db, [row], ownership.me)
        return resolve(outcome ?? 'fenced')
      } catch (error) {
        if (isHeld(error) && clock.ticks() < until) await new Promise<void>((go) => clock.after(PAUSE, go))
        // By the second time the other row is visible, so that the statement can tell a duplicate from a fence.
        else if (!isConflict(error) || ++conflicts > 1) return reject(isUnstorable(error) ? unstorable(error) : error)
      }
    }
  }

  return {
    commit: (row) =>
      new Promise((resolve, reject) => {
        waiting.push({ row, me: ownership.me, resolve, reject })
        // What becomes ready in the same turn of the loop shares the statement.
        if (waiting.length === 1) setImmediate(pump)
        else if (waiting.length >= most) pump()
      }),
  }
}

const unstorable = (cause: unknown) => new Unstorable(`the store cannot hold this step: ${(cause as Error).message}`, { cause })
