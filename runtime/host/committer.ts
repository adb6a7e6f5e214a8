/**
 * Group commit: steps of different actors that are ready in the same moment travel to the store as one statement. Round trips
 * are the limit, not fsync; while one batch is on its way the next one gathers by itself.
 */
import type { Database } from '../../sql/database.ts'
import { type Outcome, type StepRow, commitSteps, isConflict, isUnstorable } from '../../sql/steps.ts'

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
  resolve(outcome: Outcome): void
  reject(error: unknown): void
}

interface Options {
  node: string
  /** Statements under way at the same time. */
  lanes?: number
  /** Steps in one statement. */
  most?: number
}

export function createCommitter(db: Database, { node, lanes = 2, most = 64 }: Options): Committer {
  const waiting: Job[] = []
  let busy = 0

  function pump() {
    while (busy < lanes && waiting.length > 0) {
      busy++
      void send(waiting.splice(0, most)).finally(() => {
        busy--
        pump()
      })
    }
  }

  async function send(jobs: Job[]) {
    try {
      const outcomes = await commitSteps(
        db,
        jobs.map(({ row }) => row),
        node,
      )
      for (const [at, job] of jobs.entries()) job.resolve(outcomes[at] ?? 'fenced')
    } catch (error) {
      if (!isConflict(error) && !isUnstorable(error)) for (const job of jobs) job.reject(error)
      // One of them met a key or an actor that another node stored at this very moment, or cannot be stored at all.
      else if (jobs.length > 1) await Promise.all(jobs.map((job) => send([job])))
      else if (jobs[0] && isConflict(error)) await settleAlone(jobs[0])
      else jobs[0]?.reject(unstorable(error))
    }
  }

  /** By now the other node's row is visible, so that the statement can tell a duplicate from a fence. */
  async function settleAlone(job: Job) {
    try {
      const [outcome] = await commitSteps(db, [job.row], node)
      job.resolve(outcome ?? 'fenced')
    } catch (error) {
      job.reject(isUnstorable(error) ? unstorable(error) : error)
    }
  }

  return {
    commit: (row) =>
      new Promise((resolve, reject) => {
        waiting.push({ row, resolve, reject })
        // What becomes ready in the same turn of the loop shares the statement.
        if (waiting.length === 1) setImmediate(pump)
        else if (waiting.length >= most) pump()
      }),
  }
}

const unstorable = (cause: unknown) => new Unstorable(`the store cannot hold this step: ${(cause as Error).message}`, { cause })
