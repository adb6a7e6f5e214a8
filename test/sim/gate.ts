/** Whatever reaches a process from outside passes here. While the process stands still it waits, and goes on at once afterwards. */
import type { Chance } from './chance.ts'
import type { Time } from './time.ts'

export interface Gate {
  /** A ring of a timer, or a message: from the store, a neighbour, a tab. */
  pass(what: 'ring' | 'message', go: () => void): void
  isShut(): boolean
  shut(): void
  open(): void
}

export function createGate(time: Time, chance: Chance): Gate {
  let isShut = false
  let waiting: { what: 'ring' | 'message'; go: () => void }[] = []
  const gate: Gate = {
    pass(what, go) {
      if (isShut) waiting.push({ what, go })
      else go()
    },
    isShut: () => isShut,
    shut() {
      isShut = true
    },
    open() {
      if (!isShut) return
      isShut = false
      const all = waiting
      waiting = []
      // A process that was stopped while it waited for messages reads them first, any other one rings its timers first.
      const first = chance.happens(0.5) ? 'message' : 'ring'
      for (const { what, go } of [...all.filter((one) => one.what === first), ...all.filter((one) => one.what !== first)])
        time.after(0, () => gate.pass(what, go))
    },
  }
  return gate
}
