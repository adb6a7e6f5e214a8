/** A process in which time is simulated: plays what it is told to and answers. Needs an IPC channel. */
import { type Outcome, run } from './run.ts'
import { shrink, wayOf } from './shrink.ts'
import { openSimStore } from './store.ts'
import { type Kind, type Story, storyOf } from './story.ts'
import { real, takeOverTime } from './time.ts'

export type Order =
  /** Seeds from one to another, the last one excluded; `first` ends with the first that fails. */
  | { order: 'seeds'; from: number; to: number; first?: boolean; kind?: Kind | undefined }
  | { order: 'shrink'; story: Story; way: string }
  | { order: 'tell'; story: Story }

export type Report =
  | { report: 'ready' }
  | { report: 'played'; outcomes: Omit<Outcome, 'lines'>[]; ms: number }
  | { report: 'shrunk'; story: Story; outcome: Outcome }
  | { report: 'told'; outcome: Outcome }
  /** A promise that nobody looked after: whichever story it came from is faulty. */
  | { report: 'broken'; seed: number; error: string }

const store = await openSimStore()
const stage = { store, time: takeOverTime() }
let seed = 0
const tell = (report: Report) => void process.send?.(report)

process.on('unhandledRejection', (error) => tell({ report: 'broken', seed, error: (error as Error)?.stack ?? String(error) }))
process.on('disconnect', () => process.exit())

const play = (story: Story) => {
  seed = story.seed
  return run(story, stage)
}

async function obey(given: Order): Promise<Report> {
  if (given.order === 'tell') return { report: 'told', outcome: await play(given.story) }
  if (given.order === 'shrink') {
    const story = await shrink(given.story, given.way, play)
    return { report: 'shrunk', story, outcome: await play(story) }
  }
  const began = real.now()
  const outcomes: Omit<Outcome, 'lines'>[] = []
  for (let next = given.from; next < given.to; next++) {
    const { lines: _, ...outcome } = await play(storyOf(next, given.kind))
    outcomes.push(outcome)
    if (given.first && wayOf(outcome)) break
  }
  return { report: 'played', outcomes, ms: real.now() - began }
}

let last = Promise.resolve()
process.on('message', (given: Order) => {
  last = last.then(async () => tell(await obey(given)))
})
tell({ report: 'ready' })
