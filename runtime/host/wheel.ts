/** One timer for all streams of the node: at a thousand streams, wake-ups would cost more than the frames. */
import type { Clock } from './clock.ts'

export interface Wheel {
  /** Calls back at the first notch after `ms`. */
  at(ms: number, ring: () => void): void
  stop(): void
}

export function createWheel(clock: Clock, notch = 5): Wheel {
  let slots = new Map<number, (() => void)[]>()
  /** The slot for which the timer is set. */
  let next = Number.POSITIVE_INFINITY
  let cancel = () => {}

  function turn() {
    next = Number.POSITIVE_INFINITY
    const now = clock.ticks()
    const due = [...slots.keys()].filter((slot) => slot * notch <= now).sort((a, b) => a - b)
    for (const slot of due) {
      const rings = slots.get(slot) ?? []
      slots.delete(slot)
      for (const ring of rings) ring()
    }
    if (slots.size > 0) wind(Math.min(...slots.keys()))
  }

  function wind(slot: number) {
    if (slot >= next) return
    cancel()
    next = slot
    cancel = clock.after(Math.max(1, slot * notch - clock.ticks()), turn)
  }

  return {
    at(ms, ring) {
      const slot = Math.ceil((clock.ticks() + ms) / notch)
      const rings = slots.get(slot)
      if (rings) rings.push(ring)
      else slots.set(slot, [ring])
      wind(slot)
    },
    stop() {
      cancel()
      slots = new Map()
    },
  }
}
