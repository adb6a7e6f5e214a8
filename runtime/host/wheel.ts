/** One timer for all streams of the node: at a thousand streams, wake-ups would cost more than the frames. */
import type { Clock } from './clock.ts'

export interface Wheel {
  /** Calls back at the first notch after `ms`. */
  at(ms: number, ring: () => void): void
  stop(): void
}

export function createWheel(clock: Clock, notch = 5): Wheel {
  let slots = new Map<number, (() => void)[]>()
  let cancel: (() => void) | undefined

  function turn() {
    cancel = undefined
    const now = clock.now()
    const due = [...slots.entries()].filter(([slot]) => slot * notch <= now)
    for (const [slot] of due) slots.delete(slot)
    for (const [, rings] of due) for (const ring of rings) ring()
    wind()
  }

  function wind() {
    if (!cancel && slots.size > 0) cancel = clock.after(notch, turn)
  }

  return {
    at(ms, ring) {
      const slot = Math.ceil((clock.now() + ms) / notch)
      const rings = slots.get(slot)
      if (rings) rings.push(ring)
      else slots.set(slot, [ring])
      wind()
    },
    stop() {
      cancel?.()
      slots = new Map()
    },
  }
}
