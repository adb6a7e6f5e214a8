/**
 * What a second place (`Lease`) says of lives, if it says so soon: that a node is late at the store has then ended nobody. Where there is
 * no such place nothing is proven in it.
 */
import type { Clock } from '../host/clock.ts'
import type { Lease } from './lease.ts'
import { LATEST_BEAT, LEASE, type Proof } from './proof.ts'
import { timely } from './timely.ts'

/** Milliseconds for an answer. */
const SOON = 500

export interface Elsewhere {
  /** Milliseconds since its last beat after which the store takes no other one of a life that is proven here. */
  readonly latestBeat: number
  /**
   * `age`: milliseconds since the life was seen in the store. Where nobody can say, it may: for as long as it could be proven here
   * without the store.
   */
  mayRun(late: { life: string; age: number }): Promise<boolean>
  /** Whether it is known to run; where nobody can say, no. */
  runs(life: string): Promise<boolean>
  /** For a life that has just entered. */
  give(life: string): Promise<void>
  /** Right behind every beat. What was wiped is given anew, unless we may have been buried since. */
  keep(life: string): Promise<void>
  /**
   * Between beats, where one is overdue or the store has not confirmed us: whether it ran at this tick. Undefined: that was not asked,
   * or nobody could say.
   */
  renew(life: string): Promise<{ runs: boolean; at: number } | undefined>
  /** A life that is over may be cut off from the store alone, and would go on by what is proven here. */
  end(life: string): void
}

interface Needs {
  lease: Lease | undefined
  proof: Proof
  clock: Clock
}

export function createElsewhere({ lease, proof, clock }: Needs): Elsewhere {
  if (!lease) return nowhere
  const soon = <T, O>(work: Promise<T>, otherwise: O): Promise<T | O> => timely(clock, SOON, work).catch(() => otherwise)
  const give = async (life: string) => void (await soon(lease.give(life, LEASE), undefined)) // the beat tries again
  let renewing = false
  return {
    latestBeat: LATEST_BEAT,
    mayRun: ({ life, age }) => soon(lease.runs(life), age < LATEST_BEAT),
    runs: (life) => soon(lease.runs(life), false),
    give,
    async keep(life) {
      const isGone = !(await soon(lease.renew(life, LEASE), true))
      if (isGone && !proof.isStoreLate() && !proof.isUnconfirmed()) await give(life)
    },
    async renew(life) {
      if (renewing || proof.isStoreless() || !(proof.isStoreLate() || proof.isUnconfirmed())) return undefined
      const at = clock.ticks()
      renewing = true
      const runs = await soon(lease.renew(life, LEASE), undefined)
      renewing = false
      return runs === undefined ? undefined : { runs, at }
    },
    end: (life) => void soon(lease.end(life), undefined),
  }
}

const nowhere: Elsewhere = {
  latestBeat: LEASE,
  mayRun: async () => false,
  runs: async () => false,
  async give() {},
  async keep() {},
  renew: async () => undefined,
  end() {},
}
