/** Work that must run once in a cluster: it runs where its shard is, until that goes elsewhere or others may take this node for dead. */
import type { Clock } from '../host/clock.ts'
import type { Log } from '../watch/log.ts'

/** Runs until it is aborted; one that ends before is begun again in a while. */
export type Job = (signal: AbortSignal) => Promise<void>

/** Milliseconds until a job that has ended by itself is begun again. */
const AGAIN = 1_000

interface Running {
  controller: AbortController
  over: Promise<void>
}

export function createJobs({ clock, log }: { clock: Clock; log: Log }) {
  const known = new Map<string, Job>()
  const running = new Map<string, Running>()
  /** Those that were told to end and have not yet: nothing of their name begins before. */
  const ending = new Map<string, Promise<void>>()

  async function run(name: string, job: Job, { signal }: AbortController) {
    while (!signal.aborted) {
      await job(signal).catch((error: Error) => {
        if (!signal.aborted) log.error({ err: error, job: name }, 'a job failed and is begun again')
      })
      if (!signal.aborted) await pause(clock, AGAIN, signal)
    }
  }

  function end(name: string) {
    const one = running.get(name)
    if (!one) return
    running.delete(name)
    one.controller.abort()
    const over = one.over.finally(() => {
      if (ending.get(name) === over) ending.delete(name)
    })
    ending.set(name, over)
  }

  return {
    add: (name: string, job: Job) => void known.set(name, job),
    names: () => [...known.keys()],
    start(name: string) {
      const job = known.get(name)
      if (!job || running.has(name)) return
      const controller = new AbortController()
      const begin = () => run(name, job, controller)
      running.set(name, { controller, over: ending.get(name)?.then(begin) ?? begin() })
    },
    /** Resolves when it does not run any more. */
    async stop(name: string): Promise<void> {
      end(name)
      await ending.get(name)
    },
    stopAll: () => {
      for (const name of running.keys()) end(name)
    },
  }
}

/** Waits so long, or until the work is not wanted any more. */
export const pause = (clock: Clock, ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) return resolve()
    const end = () => {
      takeBack()
      signal.removeEventListener('abort', end)
      resolve()
    }
    const takeBack = clock.after(ms, end)
    signal.addEventListener('abort', end)
  })
