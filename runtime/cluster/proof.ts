/** How a node knows that its lease runs: the store says so with every beat, and while the store is away for a moment a lease elsewhere. */
import type { Clock } from '../host/clock.ts'

/** Milliseconds that a lease lasts, after which a node without a proof takes no step, and after which it says nothing. */
export const LEASE = 5_000
export const FENCE = 3_000
export const SILENCE = 4_000
export const BEAT = 1_000
/** Milliseconds in which a node whose lock has come free proves itself anew, or says nothing until it has: heirs need not wait for its lease. */
export const DOUBT = 300
/** Milliseconds without the store after which a lease elsewhere is not renewed either: whoever cannot store cannot own. */
const STOREFUL = 10_000
/** Milliseconds since its last beat after which the store takes another one of a life that was proven elsewhere meanwhile. */
export const LATEST_BEAT = STOREFUL + LEASE

export interface Proof {
  /** The first proof of a life, asked for at this tick. */
  begins(at: number): void
  /** The store has renewed the lease, asked at this tick. */
  stored(at: number): void
  elsewhere(at: number): void
  /** The lease elsewhere is gone: what it has proven is worth nothing any more. */
  nowhere(): void
  /** From this tick on others may take us for dead. */
  doubted(at: number): void
  /** Milliseconds since the last proof. */
  age(): number
  /** Others may take us for dead, and the store has not said since that we are not. */
  isUnconfirmed(): boolean
  /** Nor was it proven elsewhere, for so long that whoever was given what we had may be speaking. */
  isDoubtful(): boolean
  /** Milliseconds for which the store has answered without a break. */
  contact(): number
  /** A beat is overdue. */
  isStoreLate(): boolean
  isStoreless(): boolean
}

export function createProof(clock: Pick<Clock, 'ticks'>): Proof {
  let proven = Number.NEGATIVE_INFINITY
  let byStore = Number.NEGATIVE_INFINITY
  let inContact = Number.NEGATIVE_INFINITY
  let doubtful = Number.NEGATIVE_INFINITY
  return {
    begins(at) {
      proven = byStore = inContact = at
    },
    stored(at) {
      if (at - byStore > 2.5 * BEAT) inContact = at
      proven = Math.max(proven, at)
      byStore = at
    },
    elsewhere(at) {
      proven = Math.max(proven, at)
    },
    nowhere() {
      proven = byStore
    },
    doubted(at) {
      doubtful = at
    },
    isUnconfirmed: () => doubtful > byStore,
    isDoubtful: () => doubtful > proven && clock.ticks() - doubtful > DOUBT,
    age: () => clock.ticks() - proven,
    contact: () => byStore - inContact,
    isStoreLate: () => clock.ticks() - byStore > 1.5 * BEAT,
    isStoreless: () => clock.ticks() - byStore > STOREFUL,
  }
}
