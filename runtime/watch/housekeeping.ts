/** The embedded store has nobody who vacuums and writes checkpoints; without them its log grows and a start after a crash takes ever longer. */
import type { Clock } from '../host/clock.ts'
import type { Log } from './log.ts'

/** Milliseconds between two rounds, and the steps without which none is worth its while. */
const PAUSE = 300_000
const STEPS = 500

export interface Housekeeping {
  /** A step was committed. */
  noteStep(): void
  stop(): void
}

export function startHousekeeping({ clock, log, tidy }: { clock: Clock; log: Log; tidy(): Promise<void> }): Housekeeping {
  let steps = 0
  let stopped = false
  let cancel = () => {}

  async function round() {
    if (steps >= STEPS) {
      steps = 0
      await tidy().catch((error: Error) => log.warn({ err: error }, 'the store could not be tidied'))
    }
    if (!stopped) wait()
  }

  function wait() {
    cancel = clock.after(PAUSE, () => void round())
  }
  wait()

  return {
    noteStep() {
      steps++
    },
    stop() {
      stopped = true
      cancel()
    },
  }
}
