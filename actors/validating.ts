/** Fills the `validate` slot: QA looks before anybody relies on it. */
import type { ValidateAsk, Verdict } from '../machines/slot.ts'
import type { Filling } from './work.ts'

export const validating = (): Filling<ValidateAsk, Verdict> => async ({ draft }) => (draft.trim() ? { pass: true } : { pass: false, why: 'the answer is empty' })
