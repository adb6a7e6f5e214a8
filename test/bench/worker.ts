/**
 * A process of its own for one side of a benchmark, so that the load is never counted as the server's work.
 *
 *     const server = await startWorker(import.meta.resolve('./frame.server.ts'))
 *     const cpu = await server.ask<number>('measure', { frames: 10_000 })
 *
 * and in that file:
 *
 *     serve({ measure: async ({ frames }: { frames: number }) => … })
 */
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export interface Worker {
  pid: number
  /** Asks for one of the things that it serves; throws what it threw. */
  ask<T = void>(what: string, given?: unknown): Promise<T>
  close(): Promise<void>
}

interface Asked {
  id: number
  what: string
  given: unknown
}

interface Answered {
  id: number
  told?: unknown
  error?: string
}

/** Milliseconds that a worker has to end by itself. */
const PATIENCE = 5_000

/** BENCH_PROFILE names a folder for the CPU profiles of all workers. */
const profiling = () => (process.env.BENCH_PROFILE ? ['--cpu-prof', '--cpu-prof-dir', process.env.BENCH_PROFILE] : [])

export function startWorker(file: string, environment: Record<string, string> = {}): Worker {
  const child = fork(fileURLToPath(file), {
    execArgv: ['--import', import.meta.resolve('tsx'), '--expose-gc', ...profiling()],
    env: { ...process.env, ...environment },
    serialization: 'advanced',
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const sweep = () => child.kill('SIGKILL')
  process.once('exit', sweep)
  const waiting = new Map<number, { resolve(told: never): void; reject(error: Error): void }>()
  let last = 0
  child.on('message', ({ id, told, error }: Answered) => {
    const asker = waiting.get(id)
    waiting.delete(id)
    if (error === undefined) asker?.resolve(told as never)
    else asker?.reject(new Error(error))
  })
  const ended = new Promise<void>((resolve) =>
    child.once('exit', (code, signal) => {
      process.off('exit', sweep)
      for (const { reject } of waiting.values()) reject(new Error(`${fileURLToPath(file)} ended with ${code ?? signal} before it answered`))
      waiting.clear()
      resolve()
    }),
  )
  return {
    pid: child.pid as number,
    ask: (what, given) =>
      new Promise((resolve, reject) => {
        const id = ++last
        waiting.set(id, { resolve, reject })
        child.send({ id, what, given } satisfies Asked, (error) => {
          if (error && waiting.delete(id)) reject(error)
        })
      }),
    async close() {
      if (child.connected) child.disconnect()
      const late = setTimeout(sweep, PATIENCE)
      await ended
      clearTimeout(late)
    },
  }
}

const endings: (() => Promise<unknown>)[] = []

/** In the worker: what is still to be done when it is no longer wanted. */
export const atEnd = (end: () => Promise<unknown>): void => void endings.push(end)

/** In the worker: what it can be asked. */
export function serve(handlers: Record<string, (given: never) => unknown>): void {
  // Whoever started it is gone, or has heard enough.
  process.once('disconnect', () => void Promise.allSettled(endings.map((end) => end())).then(() => process.exit()))
  process.on('message', ({ id, what, given }: Asked) => {
    const answer = async () => {
      const handler = handlers[what]
      if (!handler) throw new Error(`nothing is served as ${what}`)
      return await handler(given as never)
    }
    answer().then(
      (told) => process.send?.({ id, told } satisfies Answered),
      (error: Error) => process.send?.({ id, error: error.stack ?? String(error) } satisfies Answered),
    )
  })
}

/** CPU that this process has used so far, all threads and the garbage collector included, in µs. */
export function cpu(): number {
  const { user, system } = process.cpuUsage()
  return user + system
}

/** The clock that all processes of a machine share. */
export const microseconds = (): number => Number(process.hrtime.bigint() / 1000n)

/** What is left when everything that nobody needs is gone. */
export async function settledMemory(): Promise<NodeJS.MemoryUsage> {
  for (let times = 0; times < 4; times++) {
    globalThis.gc?.()
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return process.memoryUsage()
}
