/** The company: who sorts, who answers, who checks, and who is asked when an answer was not good enough. */

/** Answers, from the cheapest to the best. Change the ladder here and nowhere else. */
export const ladder = ['intern', 'director', 'ceo'] as const

export type Tier = (typeof ladder)[number]
export type Agent = Tier | 'admin' | 'qa'

export const difficulties = ['trivial', 'normal', 'complex', 'unclear'] as const
export type Difficulty = (typeof difficulties)[number]

/** Who takes a first look. `unclear` is nobody's: Admin asks back instead. */
export const tierFor: Record<Exclude<Difficulty, 'unclear'>, Tier> = {
  trivial: 'intern',
  normal: 'director',
  complex: 'ceo',
}

/** The tier above, or undefined at the top: from there only the Board (a person) is left. */
export const above = (tier: Tier): Tier | undefined => ladder[ladder.indexOf(tier) + 1]
