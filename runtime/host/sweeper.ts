/** Rings durable timers. The table knows them all; memory knows only when to look next. */
import type { Due, Timers } from '../../sql/timers.ts'
import type { Log } from '../watch/log.ts'
import type { Clock } from './clock.ts'
import { failpoint } from './failpoint.ts'

/** Milliseconds between looks, also when nothing is known to be due: another node may have armed something. */
const LOOK = 1_000
/** Timers of one look, and milliseconds until one that could not be rung is tried again: it keeps no other from its turn. */
const MOST = 500
const REST = 60_000

export interface Sweeper {
  /** A timer was armed for this time. */
  notice(at: number): void
  start(): void
  stop(): void
}

interface Needs {
  clock: Clock
  log: Log
  /** The oldest that are due, at most so many, and when the next one is. */
  look(until: number, most: number): Promise<Timers>
  /** False when nobody could take it; never throws. */
  ring(timer: Due): Promise<boolean>
}

export function createSweeper({ clock, log, look, ring }: Needs): Sweeper {
  let cancel: (() => void) | undefined
  let wakeAt = Number.POSITIVE_INFINITY
  let sweeping = false
  let stopped = true

  function wake(at: number) {
    if (stopped || sweeping || at >= wakeAt) return
    cancel?.()
    wakeAt = at
    cancel = clock.after(Math.max(0, at - clock.now()), () => void sweep())
  }

  async function sweep() {
    sweeping = true
    wakeAt = Number.POSITIVE_INFINITY
    try {
      const { due, next } = await look(clock.now(), MOST + ringing.size)
      // A notice moves the look to an earlier timer and forgets the later one.
      soonest = Math.min(soonest, next ?? Number.POSITIVE_INFINITY)
      const timers = due.filter((timer) => !ringing.has(keyOf(timer)))
      // A mailbox that is stuck delays nobody else's timers: it is waited for no longer than until the next look.
      let takeBack = () => {}
      const late = new Promise<void>((resolve) => {
        takeBack = clock.after(LOOK, resolve)
      })
      await Promise.race([Promise.all(timers.map(ringOnce)), late])
      takeBack()
    } catch (error) {
      log.warn({ err: error }, 'due timers could not be read')
    }
    sweeping = false
    wake(Math.min(soonest, clock.now() + LOOK))
    soonest = Number.POSITIVE_INFINITY
  }

  /** Those that ring, and those that could not be rung lately. */
  const ringing = new Set<string>()
  const keyOf = ({ tenant, actor, id }: Due) => `${tenant}/${actor}#${id}`
  async function ringOnce(timer: Due) {
    ringing.add(keyOf(timer))
    failpoint('timer.due')
    const forget = () => ringing.delete(keyOf(timer))
    if (await ring(timer)) forget()
    else clock.after(REST, forget)
  }

  // Armed while a sweep was under way.
  let soonest = Number.POSITIVE_INFINITY

  return {
    notice(at) {
      if (sweeping) soonest = Math.min(soonest, at)
      else wake(at)
    },
    start() {
      stopped = false
      wake(clock.now())
    },
    stop() {
      stopped = true
      cancel?.()
      wakeAt = Number.POSITIVE_INFINITY
    },
  }
}
