/** Asks a second model when the first is silent for too long; whoever speaks first may go on. */
import type { Attempt } from './attempt.ts'
import type { Clock } from './clock.ts'

const SAMPLES = 100 // remembered for each model
const ENOUGH = 20 // below this a 95th percentile means nothing
const SHARE = 0.05 // of all calls may be hedged, so a bad day of one provider does not double the bill
const SILENCE = 8_000 // milliseconds that a person is let wait for one model while another could be asked

export interface Hedge {
  /** After how long a second one may be asked; undefined: not this time. */
  after(model: string): number | undefined
  firstToken(model: string, ms: number): void
  called(): void
  spent(): void
}

/** Eager: as soon as a model is slower than it nearly always is. Else only after a long silence, and a model that is always slow has longer. */
export function createHedge({ eager }: { eager: boolean }): Hedge {
  const samples = new Map<string, number[]>()
  let calls = 0
  let hedged = 0

  function usual(model: string): number | undefined {
    const seen = samples.get(model) ?? []
    return seen.length < ENOUGH ? undefined : seen.toSorted((a, b) => a - b)[Math.ceil(seen.length * 0.95) - 1]
  }

  return {
    after: (model) => {
      if (hedged + 1 > calls * SHARE) return undefined
      return eager ? usual(model) : Math.max(SILENCE, usual(model) ?? 0)
    },
    firstToken: (model, ms) => {
      const seen = samples.get(model) ?? []
      seen.push(ms)
      if (seen.length > SAMPLES) seen.shift()
      samples.set(model, seen)
    },
    called: () => void calls++,
    spent: () => void hedged++,
  }
}

interface Race {
  first: Attempt
  second: () => Attempt
  after: number
  clock: Clock
}

/** The attempt to go on with, and the one that lost, if a second one was asked at all. */
export async function race({ first, second, after, clock }: Race): Promise<{ winner: Attempt; loser?: Attempt }> {
  let takeBack = () => {}
  const slow = new Promise<'slow'>((resolve) => {
    takeBack = clock.after(after, () => resolve('slow'))
  })
  const verdict = await Promise.race([first.begun, slow])
  takeBack()
  if (verdict !== 'slow') return { winner: first }

  const rival = second()
  const firstToSpeak = await Promise.race([wins(first), wins(rival), nobody(first, rival)])
  const winner = firstToSpeak ?? first // both failed: the first one's reason is the one to tell
  const loser = winner === first ? rival : first
  loser.drop()
  return { winner, loser }
}

const wins = async (attempt: Attempt): Promise<Attempt> => ((await attempt.begun) ? attempt : new Promise<never>(() => {}))

async function nobody(first: Attempt, second: Attempt): Promise<undefined> {
  const [a, b] = await Promise.all([first.begun, second.begun])
  if (a || b) return new Promise<never>(() => {})
}
