/**
 * Simulated time. Every timer of the process stands in one queue, and the clock jumps from ring to ring. Between two rings
 * whatever can go on without time has gone on: promises, ticks and immediates are run until none is left. The store answers
 * synchronously within, so that one seed always gives the same order.
 */
import nodeCrypto from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'
import type { Clock } from '../../runtime/host/clock.ts'
import { random } from '../support/random.ts'

export interface Time extends Clock {
  /** Lets time pass until then, or until `isOver` says so after a ring. */
  run(until: number, isOver?: () => boolean): Promise<void>
  /** One way for things that keep their order: each arrives after its time, and never before the one ahead of it. */
  lane(): (ms: number, arrive: () => void) => () => void
  /** Rings that are still awaited. */
  waiting(): number
  /** Forgets every ring and begins anew at this moment, with this seed for the chance of libraries. */
  restart(seed: number): void
}

interface Ring {
  at: number
  n: number
  ring: (() => void) | undefined
}

/** Steps in one turn of the event loop: each turn asks the system for events, and none comes. */
const STEPS = 64

export const START = 1_700_000_000_000

/** What the process had before time was taken over: for measuring how long a simulation really takes. */
export const real = {
  now: performance.now.bind(performance),
  setImmediate: globalThis.setImmediate,
  clearImmediate: globalThis.clearImmediate,
  setTimeout: globalThis.setTimeout,
}

/** Takes over every clock, timer and source of chance of this process, for good. */
export function takeOverTime(): Time {
  let now = START
  let count = 0
  let heap: Ring[] = []
  const immediates = new Set<NodeJS.Immediate>()
  let chance = random(0)

  const before = (a: Ring, b: Ring) => a.at < b.at || (a.at === b.at && a.n < b.n)

  function push(ring: Ring) {
    let at = heap.length
    heap.push(ring)
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (before(heap[parent] as Ring, ring)) break
      heap[at] = heap[parent] as Ring
      at = parent
    }
    heap[at] = ring
  }

  function pop(): Ring | undefined {
    const first = heap[0]
    const last = heap.pop()
    if (!first || !last || heap.length === 0) return first
    let at = 0
    for (;;) {
      let child = at * 2 + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && before(heap[child + 1] as Ring, heap[child] as Ring)) child++
      if (before(last, heap[child] as Ring)) break
      heap[at] = heap[child] as Ring
      at = child
    }
    heap[at] = last
    return first
  }

  function at(moment: number, ring: () => void) {
    const one: Ring = { at: moment, n: ++count, ring }
    push(one)
    return () => {
      one.ring = undefined
    }
  }

  const after = (ms: number, ring: () => void) => at(now + (ms > 0 ? ms : 0), ring)

  async function settle() {
    do await new Promise((resolve) => real.setImmediate(resolve))
    while (immediates.size > 0)
  }

  /**
   * Takes steps in one turn of the real event loop; between two of them everything that can go on without time does. Whatever asks for a
   * turn of its own comes before the next step. False: there are no more.
   */
  function takeSteps(step: () => boolean): Promise<boolean> {
    return new Promise((resolve, reject) => {
      let goesOn = true
      const next = () => {
        if (!goesOn || immediates.size > 0) return
        try {
          goesOn = step()
        } catch (error) {
          goesOn = false
          reject(error)
        }
      }
      for (let n = 0; n < STEPS; n++) real.setImmediate(next)
      real.setImmediate(() => resolve(goesOn))
    })
  }

  const timer = (ring: (...given: unknown[]) => void, ms: number, given: unknown[], again: boolean) => {
    let cancel = () => {}
    const wind = () => {
      cancel = after(again ? Math.max(1, ms) : ms, () => {
        if (again) wind()
        ring(...given)
      })
    }
    wind()
    const handle = {
      cancel: () => cancel(),
      ref: () => handle,
      unref: () => handle,
      hasRef: () => true,
      refresh: () => {
        cancel()
        wind()
        return handle
      },
      close: () => handle.cancel(),
    }
    return handle
  }
  const clear = (handle?: { cancel?: () => void }) => handle?.cancel?.()
  const RealDate = Date

  Object.assign(globalThis, {
    setTimeout: (ring: () => void, ms = 0, ...given: unknown[]) => timer(ring, ms, given, false),
    setInterval: (ring: () => void, ms = 0, ...given: unknown[]) => timer(ring, ms, given, true),
    clearTimeout: clear,
    clearInterval: clear,
    setImmediate: (ring: (...given: unknown[]) => void, ...given: unknown[]) => {
      const handle = real.setImmediate(() => {
        immediates.delete(handle)
        ring(...given)
      })
      immediates.add(handle)
      return handle
    },
    clearImmediate: (handle: NodeJS.Immediate) => {
      immediates.delete(handle)
      real.clearImmediate(handle)
    },
    Date: class extends RealDate {
      constructor(...given: [] | [number]) {
        if (given.length === 0) super(Math.floor(now))
        else super(...given)
      }
      static override now = () => Math.floor(now)
    },
  })
  performance.now = () => now - START
  Math.random = () => chance.next()
  crypto.randomUUID = () => {
    const hex = () => chance.below(0x1_0000).toString(16).padStart(4, '0')
    return `${hex()}${hex()}-${hex()}-4${hex().slice(1)}-8${hex().slice(1)}-${hex()}${hex()}${hex()}`
  }

  nodeCrypto.randomUUID = crypto.randomUUID
  syncBuiltinESMExports() // whoever has imported it by name has this one from now on

  return {
    // Whole milliseconds, as the system's own clock counts.
    now: () => Math.floor(now),
    ticks: () => now - START,
    after,
    lane() {
      let last = 0
      return (ms, arrive) => {
        last = Math.max(last, now + ms)
        return at(last, arrive)
      }
    },
    waiting: () => heap.reduce((sum, { ring }) => sum + (ring ? 1 : 0), 0),
    async run(until, isOver = () => false) {
      function ringNext() {
        while (heap[0] && !heap[0].ring) pop() // taken back
        const next = heap[0]
        if (isOver() || !next || next.at > until) return false
        pop()
        now = next.at
        next.ring?.()
        return true
      }
      await settle()
      while (await takeSteps(ringNext)) await settle()
      if (!isOver()) now = Math.max(now, until)
    },
    restart(seed) {
      heap = []
      now = START
      chance = random(seed)
    },
  }
}
