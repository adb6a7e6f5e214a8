/** The thread in which the embedded PostgreSQL runs, seen from outside: messages in, answers out. */
import { Worker } from 'node:worker_threads'
import type { Backend } from './wire.ts'

export interface Birth {
  /** Undefined: in memory. */
  folder: string | undefined
  /** The folder is still empty. */
  fresh: boolean
  /** An archive to fill it from; without one the cluster is made from nothing, which takes longer. */
  archive: Uint8Array | undefined
}

export interface Thread extends Backend {
  dump(): Promise<Uint8Array>
  close(): Promise<void>
  /** At once, without a last checkpoint. */
  stop(): Promise<void>
  /** Resolves with the reason if the thread ends without having been asked to. */
  lost: Promise<Error>
}

interface Answer {
  id: number
  answer?: Uint8Array
  fault?: string
  archive?: Uint8Array
}

const CLOSING = 1_500 // milliseconds for the last checkpoint; what it does not manage is replayed at the next start

/** `made` hears of a cluster that had to be made from nothing: an archive to fill the next one from. */
export async function startBackend(
  birth: Birth,
  made: (archive: Uint8Array) => void,
  program = new URL('./wire.worker.mjs', import.meta.url),
): Promise<Thread> {
  // execArgv is emptied because `--import tsx` would make a thread of plain JavaScript load a compiler.
  const worker = new Worker(program, {
    workerData: birth,
    execArgv: [],
  })
  const asked = new Map<number, { resolve(answer: Uint8Array): void; reject(why: Error): void }>()
  let count = 0
  let closing = false
  let dead: Error | undefined

  const lost = new Promise<Error>((report) => {
    const die = (why: Error) => {
      if (dead) return
      dead = why
      for (const { reject } of asked.values()) reject(why)
      asked.clear()
      if (!closing) report(why)
    }
    worker.on('error', (why) => die(new Error(`the embedded database has died: ${why.message}`, { cause: why })))
    worker.on('exit', (code) => die(new Error(`the embedded database has ended with code ${code}`)))
  })

  const ask = (id: number, duty?: string, messages?: Uint8Array) =>
    new Promise<Uint8Array>((resolve, reject) => {
      if (dead) return reject(dead)
      asked.set(id, { resolve, reject })
      if (duty) worker.postMessage({ id, duty, messages })
    })

  worker.on('message', ({ id, answer, fault, archive }: Answer) => {
    if (archive) return made(archive)
    const one = asked.get(id)
    asked.delete(id)
    if (fault === undefined) one?.resolve(answer ?? new Uint8Array())
    else one?.reject(new Error(fault))
  })

  await ask(0) // the thread says by itself that it is ready

  const stop = async () => {
    closing = true
    await worker.terminate()
  }

  return {
    lost,
    stop,
    run: (messages) => ask(++count, 'run', messages),
    dump: () => ask(++count, 'dump'),
    async close() {
      closing = true
      const over = new AbortController()
      await Promise.race([
        ask(++count, 'close').catch(() => {}), // it is already dead, or broken: then there is nothing to save
        new Promise((resolve) => {
          const timer = setTimeout(resolve, CLOSING)
          over.signal.addEventListener('abort', () => clearTimeout(timer))
        }),
      ])
      over.abort()
      await stop()
    },
  }
}
