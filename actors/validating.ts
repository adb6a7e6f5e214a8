/** Fills the `validate` slot: QA looks before anybody relies on it. */
import type { ValidateAsk, Verdict } from '../machines/slot.ts'
import { checks } from './validating.checks.ts'
import type { Filling } from './work.ts'

/** No model is asked. `why` names the first fault in words that help whoever writes the next draft. */
export const validating = (): Filling<ValidateAsk, Verdict> => async (ask) => {
  for (const check of checks) {
    const why = check(ask)
    if (why) return { pass: false, why }
  }
  return { pass: true }
}
