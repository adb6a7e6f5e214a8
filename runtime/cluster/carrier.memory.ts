/** A network inside this process: exact where nothing is said of its fate, and as bad as a test or a simulation wants it. */
import { type Clock, systemClock } from '../host/clock.ts'
import type { Carrier } from './carrier.ts'

/** Lost and silent parcels do not arrive; `lost` is answered for as if it had, `silent` never is. */
export type Fate = 'ok' | 'lost' | 'twice' | 'silent' | 'unheard' | 'broken'

export interface Journey {
  fate: Fate
  /** Milliseconds until it arrives, and until it does so the second time. */
  delay?: number
  again?: number
}

export interface MemoryNetwork {
  /** A carrier of its own for every node, whose name is what `fate` sees as `from`. */
  carrier(from: string, more?: { name?: string; most?: number; pause?: number }): Carrier
  /** Parcels on their way. */
  travelling(): number
}

interface Needs {
  clock?: Clock
  /** Asked once for each parcel, in the order in which they are sent. */
  fate?(from: string, to: string, parcel: string): Fate | Journey
}

interface Ear {
  hear(parcel: string): void
}

export function memoryNetwork({ clock = systemClock, fate = () => 'ok' }: Needs = {}): MemoryNetwork {
  const ears = new Map<string, Set<Ear>>()
  let travelling = 0

  /** Without a delay it comes right after what is being done now: all such parcels in order, whoever sent them. */
  function travel(address: string, parcel: string, delay: number) {
    travelling++
    const arrive = () => {
      travelling--
      for (const { hear } of [...(ears.get(address) ?? [])]) hear(parcel)
    }
    if (delay > 0) clock.after(delay, arrive)
    else queueMicrotask(arrive)
  }

  return {
    travelling: () => travelling,
    carrier(from, { name = 'memory', most = 1024 * 1024, pause = 0 } = {}) {
      const mine = new Map<string, Ear>()
      let closed = false
      return {
        name,
        most,
        pause,
        async carry(address, parcel) {
          if (closed) throw new Error('the carrier is closed')
          const told = fate(from, address, parcel)
          const { fate: what, delay = 0, again = delay }: Journey = typeof told === 'string' ? { fate: told } : told
          if (what === 'broken') throw new Error('the network is broken')
          if (what === 'unheard' || !ears.has(address)) return false
          if (what === 'silent') return new Promise(() => {})
          if (what !== 'lost') travel(address, parcel, delay)
          if (what === 'twice') travel(address, parcel, again)
          return true
        },
        async listen(address, hear) {
          const ear = { hear }
          mine.set(address, ear)
          ears.set(address, (ears.get(address) ?? new Set()).add(ear))
        },
        async close() {
          closed = true
          for (const [address, ear] of mine) {
            const all = ears.get(address)
            all?.delete(ear)
            if (all?.size === 0) ears.delete(address)
          }
        },
      }
    },
  }
}
