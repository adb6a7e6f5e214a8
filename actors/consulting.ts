/** Fills the `consult` slot. No tools are connected yet: the model is told so and answers without. */
import type { ConsultAsk, ToolRound } from '../machines/slot.ts'
import type { Filling } from './work.ts'

export const consulting =
  (): Filling<ConsultAsk, ToolRound['results']> =>
  async ({ calls }) =>
    calls.map(({ id, name }) => ({ id, name, text: `There is no tool named ${name}.`, failed: true }))
