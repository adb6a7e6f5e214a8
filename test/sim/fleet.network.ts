/** The network between the nodes of a fleet: letters are late, lost and doubled, and it breaks between some nodes, in one direction or both. */
import type { Carrier } from '../../runtime/cluster/carrier.ts'
import { type Journey, memoryNetwork } from '../../runtime/cluster/carrier.memory.ts'
import type { Chance } from './chance.ts'
import type { Gate } from './gate.ts'
import type { Time } from './time.ts'

export interface Letters {
  /** Shares of parcels. */
  lost: number
  twice: number
  late: number
  /** Milliseconds for one way, at most. */
  slowest: number
}

interface Needs {
  time: Time
  chance: Chance
  letters: Letters
  isHealed(): boolean
}

/** A node's name in an address of `post.ts`: `prefix:node/life`. */
const nodeIn = (address: string) => address.slice(address.lastIndexOf(':') + 1, address.lastIndexOf('/'))

export function createSimNetwork({ time, chance, letters, isHealed }: Needs) {
  /** From one node to another: until when nothing arrives, and whether the sender learns of it. */
  const cuts = new Map<string, { until: number; known: boolean }>()
  const last = new Map<string, number>()

  function fate(from: string, address: string): Journey {
    const way = `${from}>${nodeIn(address)}`
    const delay = chance.delay(0.1, isHealed() ? Math.min(3, letters.slowest) : letters.slowest)
    const luck = chance.next()
    const cut = cuts.get(way)
    if (cut && cut.until > time.ticks()) return { fate: cut.known ? 'broken' : luck < 0.5 ? 'lost' : 'silent' }
    const soonest = time.ticks() + delay
    if (isHealed()) return { fate: 'ok', delay: inOrder(way, soonest) }
    if (luck < letters.lost) return { fate: 'lost' }
    if (luck < letters.lost + letters.late) return { fate: 'ok', delay: delay + 5 + chance.below(1_500) }
    if (luck < letters.lost + letters.late + letters.twice)
      return { fate: 'twice', delay: inOrder(way, soonest), again: delay + chance.below(800) }
    return { fate: 'ok', delay: inOrder(way, soonest) }
  }

  function inOrder(way: string, soonest: number) {
    const at = Math.max(last.get(way) ?? 0, soonest)
    last.set(way, at)
    return Math.max(0.001, at - time.ticks())
  }

  const network = memoryNetwork({ clock: time, fate })

  return {
    travelling: network.travelling,
    cut(from: string[], to: string[], ms: number, known: boolean) {
      for (const one of from) for (const other of to) if (one !== other) cuts.set(`${one}>${other}`, { until: time.ticks() + ms, known })
    },
    /** As one process reaches it; nothing is sent or heard by one that is dead. */
    carrierOf(node: string, gate: Gate, isAlive: () => boolean): Carrier {
      const carrier = network.carrier(node)
      return {
        ...carrier,
        carry: (address, parcel) => (isAlive() ? carrier.carry(address, parcel) : new Promise(() => {})),
        listen: (address, hear) => carrier.listen(address, (parcel) => gate.pass('message', () => isAlive() && hear(parcel))),
      }
    },
  }
}
