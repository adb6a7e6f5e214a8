/**
 * One node waits for the lock of the next: the kernel closes the connections of a process that dies, PostgreSQL lets its lock go, and
 * whoever waits for it is awake within milliseconds. It finds death alone; a process that hangs is found by its lease.
 */
import type { Log } from '../watch/log.ts'
import type { Clock } from '../host/clock.ts'

export interface Neighbour {
  node: string
  life: string
  /** Of its lock. */
  key: number
}

/** Waits for a lock on a connection of its own. */
export interface LockWatch {
  /** Resolves when nobody holds it any more; rejects when the store went away. */
  free: Promise<void>
  stop(): void
}

interface Needs {
  clock: Clock
  log: Log
  watch(key: number): LockWatch
  /** Nobody holds the neighbour's lock any more. Resolves whether it is gone. */
  free(neighbour: Neighbour): Promise<boolean>
}

/** Milliseconds until a lock that was free is waited for again. */
const AGAIN = 300
/**
 * Milliseconds until a lock is waited for again that could not be: the store went away, and with it all locks. Who lives takes its own
 * again with its next beats; leases count meanwhile. The store knows how long it runs itself, but not that it has taken another's place.
 */
const AFRESH = 3_000

export function createNeighbourWatch({ clock, log, watch, free }: Needs) {
  let target: Neighbour | undefined
  let stop = () => {}

  function follow(neighbour: Neighbour | undefined) {
    if (neighbour?.life === target?.life) return
    stop()
    target = neighbour
    if (neighbour) wait(neighbour)
  }

  function wait(neighbour: Neighbour) {
    const lock = watch(neighbour.key)
    let over = false
    let takeBack = () => {}
    stop = () => {
      over = true
      takeBack()
      lock.stop()
    }
    const again = (ms: number) => {
      if (over) return
      takeBack = clock.after(ms, () => {
        if (!over) wait(neighbour)
      })
    }
    lock.free.then(
      async () => {
        if (over || (await free(neighbour))) return
        again(AGAIN)
      },
      (error) => {
        if (!over) log.debug({ err: error, of: neighbour.node }, 'the lock of a neighbour cannot be waited for')
        again(AFRESH)
      },
    )
  }

  return { follow, stop: () => follow(undefined) }
}
