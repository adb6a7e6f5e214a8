/** The journal of one conversation: a line without gaps or forks that, folded, gives what is stored. */
import { kinds } from '../../machines/index.ts'
import { liveNames } from '../../machines/event.ts'
import { createStepper } from '../../runtime/host/step.ts'
import type { Envelope, Tree } from '../../runtime/host/tree.ts'
import type { Logic } from '../../runtime/host/xstate.ts'
import type { StoredActor, StoredStep } from './stored.ts'

type Fail = (invariant: string, sentence: string) => void

export function checkSteps(steps: StoredStep[], actor: StoredActor | undefined, fail: Fail) {
  if (!actor) return steps.length > 0 ? fail('I4 single writer', 'a journal without an actor') : undefined
  const stepper = createStepper(kinds.conversation.machine as unknown as Logic, { isLive: (type) => liveNames.has(type) })
  let tree: Tree | undefined
  for (const [at, { version, envelope, now }] of steps.entries()) {
    if (version !== at + 1) return fail('I4 single writer', `step ${version} stands at place ${at + 1}`)
    const { birth, ...rest } = envelope
    const event = rest as Envelope
    const after = plain((tree ? stepper.step(tree, event, now) : stepper.begin(birth, now, event)).tree)
    if (tree) checkLate(tree, event, now, after)
    tree = after
  }
  if (actor.version !== steps.length) fail('I4 single writer', `version ${actor.version} after ${steps.length} steps`)
  if (sorted(tree) !== sorted(actor.tree)) fail('I4 single writer', 'the journal, folded, is not the state that is stored')

  /** A timer that is disarmed and work that is over change nothing, whatever the stepper thinks. */
  function checkLate(before: Tree, event: Envelope, now: number, after: Tree) {
    const unchanged = () => sorted(before.actors) === sorted(after.actors)
    if ('timer' in event) {
      const armed = Object.values(before.timers).find(({ id }) => id === event.timer)
      if (!armed && !unchanged()) fail('I4 single writer', `the timer ${event.timer} was not armed and rang`)
      // Rows keep whole milliseconds.
      if (armed && now < armed.at - 1) fail('I4 single writer', `the timer ${event.timer} rang ${armed.at - now} ms early`)
    }
    if ('call' in event) {
      const active = Object.values(before.actors).some((one) => one.call && one.status === 'active' && one.born === event.call)
      if (!active && !unchanged()) fail('I4 single writer', `the work ${event.call} was over and its answer was taken`)
    }
  }
}

const plain = (tree: Tree): Tree => JSON.parse(JSON.stringify(tree))

/** JSON with its keys in order, as jsonb does not keep them. */
const sorted = (value: unknown): string =>
  JSON.stringify(value, (_, part) =>
    part && typeof part === 'object' && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  ) ?? ''
