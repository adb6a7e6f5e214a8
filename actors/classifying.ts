/** Fills the `classify` slot: Admin sorts by rules that need no model. */
import type { Difficulty } from '../machines/ladder.ts'
import type { Classification, ClassifyAsk, Intent } from '../machines/slot.ts'
import type { Filling } from './work.ts'

export const classifying = (): Filling<ClassifyAsk, Classification> => async ({ text }) => rules(text)

function rules(text: string): Classification {
  const intent: Intent = 'general_request'
  const words = text.trim().split(/\s+/).length
  const difficulty: Difficulty = words < 6 ? 'trivial' : words < 60 ? 'normal' : 'complex'
  return { intent, difficulty, relevantFiles: [], qaRequirements: '', by: 'rules' }
}
