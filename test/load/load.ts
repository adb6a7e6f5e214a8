/** The load tester as a library: in this process, for as many sockets as one process bears. */
import { type CrewNeeds, type Plan, createCrew } from './crew.ts'
import type { Keep } from './person.ts'
import type { Report } from './report.ts'
import { conduct } from './run.ts'
import type { Counts } from './tally.ts'

export interface LoadOptions extends Partial<Omit<Plan, 'urls'>> {
  urls: readonly string[]
  /** What a message says, by its id. */
  textOf?: CrewNeeds['textOf']
  /** Hears of everything that each conversation says and hears: sent, accepted, refused, joined, heard, lost … */
  onEntry?: Keep
}

export interface Load {
  done: Promise<Report>
  /** Ends the speaking early and waits for the end of what is under way; at the second call, not even that. */
  stop(): void
  /** So far. */
  counts(): Counts
  urls(): readonly string[]
  /** Whoever connects from now on does so to these addresses. */
  moveTo(urls: readonly string[]): void
  /** Every connection is lost at once. */
  cut(): void
}

export const CONNECTS = 500 // a second; a server takes 2,000 or more, and this is not what is measured

export const defaults: Omit<Plan, 'urls' | 'ramp' | 'seed'> = {
  sockets: 100,
  rate: 10,
  duration: 30,
  tail: 30,
  shares: [{ scenario: 'chat', weight: 1 }],
  stormEvery: 10,
  text: 'Please explain how the tides of the sea come about, in some words.',
}

export function planOf({ urls, ...given }: Omit<Partial<Plan>, 'urls'> & { urls: readonly string[] }): Plan {
  const plan = { ...defaults, ramp: 0, seed: Math.floor(Math.random() * 2 ** 31), ...given, urls: [...urls] }
  // A run that is as short as the time to the first storm has it in its middle.
  const stormEvery = given.stormEvery ?? (plan.duration > defaults.stormEvery ? defaults.stormEvery : plan.duration / 2)
  return { ...plan, stormEvery, ramp: given.ramp ?? plan.sockets / CONNECTS }
}

export function startLoad({ textOf, onEntry, ...given }: LoadOptions): Load {
  const plan = planOf(given)
  const crew = createCrew({ plan, keep: onEntry, textOf })
  const run = conduct([crew], plan, 0)
  return {
    done: run.done,
    stop: () => void run.stop(),
    counts: () => crew.part().counts,
    urls: () => plan.urls,
    moveTo(urls) {
      plan.urls = [...urls]
    },
    cut: crew.cut,
  }
}
