/** Looks for the shortest story that still fails in the same way: leaves out acts, tabs and bad luck for as long as that helps. */
import type { Outcome } from './run.ts'
import type { Story } from './story.ts'

/** The name of the invariant that is broken. */
export const wayOf = ({ found }: Pick<Outcome, 'found'>) => found[0]?.slice(0, found[0].indexOf(':'))

const TRIES = 300

/** Calm things that a story may be made of instead, the greatest relief first. */
const reliefs: ((story: Story) => Story)[] = [
  (story) => ({ ...story, store: { ...story.store, breaking: 0 } }),
  (story) => ({ ...story, provider: { failing: 0, hanging: 0, breaking: 0, poor: 0, slow: 0 } }),
  (story) => ({ ...story, provider: { ...story.provider, hanging: 0, slow: 0 } }),
  (story) => ({ ...story, provider: { ...story.provider, failing: 0, breaking: 0 } }),
  (story) => ({ ...story, provider: { ...story.provider, poor: 0 } }),
  (story) => ({ ...story, residents: 100, perActor: 64 }),
  (story) => ({ ...story, network: 30, store: { ...story.store, slowest: 6 } }),
  (story) => ({ ...story, policy: { ...story.policy, window: 0, waiting: 20 } }),
]

export async function shrink(story: Story, way: string, play: (story: Story) => Promise<Outcome>): Promise<Story> {
  let best = story
  let tries = 0
  const fails = async (candidate: Story) => tries++ < TRIES && wayOf(await play(candidate)) === way
  const attempt = async (candidate: Story) => {
    if (JSON.stringify(candidate) === JSON.stringify(best) || !(await fails(candidate))) return false
    best = candidate
    return true
  }

  // Halves first, then quarters, down to single acts (Zeller's delta debugging).
  for (let size = Math.ceil(best.acts.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < best.acts.length; ) {
      if (!(await attempt({ ...best, acts: best.acts.toSpliced(at, size) }))) at += size
    }
  }
  for (const relieve of reliefs) await attempt(relieve(best))
  for (let at = 0; at < best.acts.length; ) if (!(await attempt({ ...best, acts: best.acts.toSpliced(at, 1) }))) at++
  for (const [chat, { tabs }] of best.chats.entries())
    if (tabs > 1 && !best.acts.some((act) => 'tab' in act && act.chat === chat && act.tab > 0))
      await attempt({ ...best, chats: best.chats.with(chat, { tabs: 1 }) })
  return best
}
