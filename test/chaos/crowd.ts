/** Everybody who talks to the system through all of its faults, and how long each fault kept them waiting. */
import { defaultPolicy } from '../../machines/policy.ts'
import { random } from '../support/random.ts'
import { type Journal, now } from './journal.ts'
import { type Recoveries, recoveriesOf } from './recoveries.ts'
import { type Habits, type Talker, socketTalker } from './talker.ts'
import { sseTalker } from './talker.sse.ts'

export interface Crowd {
  /** A fault struck at this moment: whoever is listening to words waits for the next one. `only`: in these conversations. */
  struck(at: number, only?: ReadonlySet<string>, anew?: boolean): void
  /** What a fault took away is there again. */
  healed(): void
  /** Resolves when most have heard words since then, or have had five seconds for it. */
  busy(since: number): Promise<void>
  /** Conversations in which words are being said. */
  speaking(): string[]
  /** How many still wait for the next word after a fault. */
  listening(): number
  /** Nobody begins anything more. */
  rest(): void
  /** Lets everything come to its end, and resolves with what did not. */
  silent(): Promise<string[]>
  /** How long each fault kept words waiting; the patience is in milliseconds. */
  recoveries(patience: number): Recoveries
  close(): void
}

interface Needs {
  journal: Journal
  seed: number
  clients: number
  habits: Habits
  /** Where a client connects, asked anew before every attempt; each has a chance of its own for it. */
  door(chance: ReturnType<typeof random>): () => string
  /** Milliseconds without a sign after which a client looks for another door; without it, it waits as long as its connection does. */
  deaf?: number
}

/**
 * Milliseconds in which everything ends once nothing is broken any more. A call that hangs is given up by the patience of its tier
 * at the latest (a local model may keep silent for as long), and each tier may meet one.
 */
export const TAIL = Object.values(defaultPolicy.patience).reduce((all, ms) => all + ms)

export function openCrowd({ journal, seed, clients, habits, door, deaf }: Needs): Crowd {
  const readies: number[] = []
  const talkers: Talker[] = Array.from({ length: clients }, (_, at) => {
    const url = door(random(seed * 1_000 + at + 500))
    const needs = { url, habits, keep: journal.keep, begin: journal.begin, chance: random(seed * 1_000 + at), ...(deaf && { deaf }) }
    return at % 5 === 4 ? sseTalker(needs) : socketTalker(needs)
  })
  const waiting = () => talkers.flatMap((talker) => talker.waiting())

  return {
    struck(at, only, anew) {
      for (const talker of talkers) if (!only || only.has(talker.speaking() ?? '')) talker.struck(at, anew)
    },
    healed: () => void readies.push(now()),
    busy: async (since) => void (await comes(() => talkers.filter((talker) => talker.heardSince(since)).length >= clients * 0.6, 5_000)),
    speaking: () => talkers.flatMap((talker) => talker.speaking() ?? []),
    listening: () => talkers.filter((talker) => talker.struckAt() !== undefined).length,
    rest() {
      for (const talker of talkers) talker.rest()
    },
    async silent() {
      await comes(() => waiting().length === 0, TAIL)
      return waiting().map(({ conversation, id, since }) => `${conversation}: message ${id} is silent for ${Math.round(now() - since)} ms`)
    },
    recoveries: (patience) =>
      recoveriesOf(
        talkers.flatMap(({ recoveries }) => recoveries),
        readies,
        patience,
      ),
    close() {
      for (const talker of talkers) talker.close()
    },
  }
}

/** Whether it came about within so many milliseconds. */
export async function comes(look: () => boolean, ms: number): Promise<boolean> {
  for (const end = now() + ms; !look() && now() < end; ) await new Promise((resolve) => setTimeout(resolve, 5))
  return look()
}
