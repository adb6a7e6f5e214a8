/**
 * Chance that does not move when the story does. Everything that is left to chance draws from a stream of its own, named after what
 * it is for, so that leaving one act out of a story changes nothing else and the shortest story can be found.
 */
import { random } from '../support/random.ts'

export interface Chance {
  /** From 0 to below 1. */
  next(): number
  below(n: number): number
  pick<T>(list: readonly T[]): T
  /** True in this share of cases. */
  happens(share: number): boolean
  /** From `least` to `most`, mostly near the least. */
  delay(least: number, most: number): number
}

export type Chances = (...name: (string | number)[]) => Chance

/** FNV-1a, as the seed of a stream. */
function seedOf(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash >>> 0
}

export const chances =
  (seed: number): Chances =>
  (...name) => {
    const source = random(seedOf(`${seed}/${name.join('/')}`))
    return {
      ...source,
      happens: (share) => source.next() < share,
      delay: (least, most) => least + (most - least) * source.next() ** 3,
    }
  }
