/** Plays one story and says what was wrong with it. */
import { createHash } from 'node:crypto'
import { check } from './check.ts'
import type { SimStore } from './store.ts'
import type { Story } from './story.ts'
import type { Time } from './time.ts'
import type { Fleet } from './fleet.story.ts'
import { playFleet } from './fleet.ts'
import { play } from './world.ts'

export interface Outcome {
  seed: number
  /** One sentence for each breach, each with the name of its invariant in front; none when all is well. */
  found: string[]
  /** Of everything that happened, so that two runs of one story can be compared. */
  hash: string
  lines: string[]
  simulated: number
  kills: number
  messages: number
}

export interface Stage {
  time: Time
  store: SimStore
}

export async function run(story: Story, stage: Stage, trace?: (line: string) => void): Promise<Outcome> {
  const about = { ...stage, ...(trace && { trace }) }
  const world = isFleets(story) ? await playFleet(story, about) : await play(story, about)
  const found = await check(world, stage.store)
  await world.close()
  return {
    seed: story.seed,
    found,
    hash: createHash('sha256').update(world.lines.join('\n')).digest('hex'),
    lines: world.lines,
    simulated: world.seconds,
    kills: world.kills,
    messages: world.tabs.reduce((sum, { journal }) => sum + journal.sent.size, 0),
  }
}

const isFleets = (story: Story): story is Story & { fleet: Fleet } => story.fleet !== undefined
