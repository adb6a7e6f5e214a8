/**
 * `npm run sim`: lets simulated worlds happen, one for each seed, and checks what came of them.
 *
 *     npm run sim -- --seeds 1000            seeds 1 to 1,000
 *     npm run sim -- --seeds 1000 --seed K   seeds from K on
 *     npm run sim -- --seeds 1000 --fleet    worlds of several nodes only; --single those of one only, otherwise every fourth has several
 *     npm run sim -- --seed K                this one, told line by line; shortened when it fails
 *     npm run sim -- --planted               what becomes of bugs that are planted; with --keep the shortest story of each is kept
 *                                            in stories.json, with --only TEXT some of them are
 *     npm run sim -- --planted --stories     only whether the stories that were kept still show their bugs
 */
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type Worker, hire } from './crew.ts'
import { plant } from './garden.ts'
import { bugs } from './planted.ts'
import { wayOf } from './shrink.ts'
import { keepStories, readStories } from './stories.ts'
import { type Kind, type Story, storyOf } from './story.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const PORTION = 20
/** Portions for one process: worlds leave something in the embedded PostgreSQL, and a heap of gigabytes is slow. */
const LIFE = 50
/** Seeds between two signs of life where nobody watches. */
const SIGN = 5_000
/** Failures after which going on tells nothing new. */
const ENOUGH = 20
const CLEAR = process.stdout.isTTY ? '\r\x1b[K' : ''

class Wrong extends Error {}

/** Zero seeds would be no failure and no proof. */
function some(count: number | undefined): number {
  if (count === 0) throw new Wrong('--seeds takes at least one.')
  return count ?? 1_000
}

function whole(name: string, given: string | undefined): number | undefined {
  if (given === undefined) return undefined
  const number = Number(given)
  if (!Number.isSafeInteger(number) || number < 0 || given.trim() === '')
    throw new Wrong(`--${name} takes a whole number that is not negative; "${given}" is none.`)
  return number
}

function settings() {
  try {
    const { values } = parseArgs({
      options: {
        seeds: { type: 'string' },
        seed: { type: 'string' },
        planted: { type: 'boolean' },
        workers: { type: 'string' },
        only: { type: 'string' },
        keep: { type: 'boolean' },
        stories: { type: 'boolean' },
        fleet: { type: 'boolean' },
        single: { type: 'boolean' },
      },
    })
    if (values.fleet && values.single) throw new Wrong('--fleet and --single exclude each other.')
    return {
      kind: values.fleet ? ('fleet' as const) : values.single ? ('single' as const) : undefined,
      planted: values.planted ?? false,
      only: values.only,
      keep: values.keep ?? false,
      stories: values.stories ?? false,
      seeds: whole('seeds', values.seeds),
      seed: whole('seed', values.seed),
      workers: whole('workers', values.workers) || Math.min(8, cpus().length),
    }
  } catch (error) {
    if (error instanceof Wrong) throw error
    throw new Wrong(
      `${(error as Error).message.split('.')[0]}. Known are --seeds N, --seed K, --planted, --only TEXT, --keep, --stories, --fleet, --single and --workers N.`,
    )
  }
}

/** Each worker takes the next portion when it is through with its own. */
async function side<T>(workers: number, work: (n: number) => Promise<T>): Promise<T[]> {
  return Promise.all(Array.from({ length: workers }, (_, n) => work(n)))
}

interface Kinded {
  workers: number
  kind: Kind | undefined
}

async function seeds(count: number, from: number, { workers, kind }: Kinded): Promise<boolean> {
  const began = performance.now()
  let next = from
  let played = 0
  let simulated = 0
  let kills = 0
  let messages = 0
  const failed: { seed: number; found: string[] }[] = []
  const progress = () => {
    if (process.stdout.isTTY) process.stdout.write(`\r${played} of ${count} seeds, ${failed.length} failed `)
    else if (played % SIGN === 0 && played < count) console.log(`${played} of ${count} seeds, ${failed.length} failed`)
  }
  /** Said at once: a night is long. */
  const fail = (outcome: { seed: number; found: string[] }) => {
    failed.push(outcome)
    const { seed, found } = outcome
    console.log(`${CLEAR}seed ${seed}: ${found[0]}${found.length > 1 ? ` (and ${found.length - 1} more)` : ''}`)
  }
  await side(Math.min(workers, Math.ceil(count / PORTION)), async () => {
    let worker = await hire(root)
    let portions = 0
    try {
      while (next < from + count && failed.length < ENOUGH) {
        if (portions++ === LIFE) {
          worker.end()
          worker = await hire(root)
          portions = 1
        }
        const to = Math.min(from + count, next + PORTION)
        const order = { order: 'seeds', from: next, to, kind } as const
        next = to
        const { outcomes } = await worker.ask(order, 'played')
        for (const outcome of outcomes) {
          played++
          simulated += outcome.simulated
          kills += outcome.kills
          messages += outcome.messages
          if (outcome.found.length > 0) fail(outcome)
        }
        progress()
      }
    } finally {
      worker.end()
    }
  })
  if (process.stdout.isTTY) process.stdout.write('\r')
  const seconds = (performance.now() - began) / 1_000
  console.log(
    `${played} seeds in ${seconds.toFixed(1)} s (${workers} workers): ${(simulated / 3_600).toFixed(1)} simulated hours, ${kills} kills, ` +
      `${messages} messages; ${failed.length} failed${failed.length === 0 ? `, 95 % bound ${(3 / played).toExponential(1)}` : ''}`,
  )
  const first = failed.sort((a, b) => a.seed - b.seed)[0]
  if (first) await shortest(first.seed, first.found, kind)
  return failed.length === 0
}

/** Prints the shortest story that still fails like this seed. */
async function shortest(seed: number, found: string[], kind: Kind | undefined) {
  const worker = await hire(root)
  try {
    console.log(`\nlooking for the shortest story that fails like seed ${seed} …`)
    const way = wayOf({ found }) as string
    const { story, outcome } = await worker.ask({ order: 'shrink', story: storyOf(seed, kind), way }, 'shrunk')
    console.log(`\n${JSON.stringify(story)}\n`)
    for (const line of outcome.lines) console.log(line)
    for (const sentence of outcome.found) console.log(`! ${sentence}`)
    console.log(`\nreplay the whole of it: npm run sim -- --seed ${seed}${kind ? ` --${kind}` : ''}`)
  } finally {
    worker.end()
  }
}

async function one(seed: number, kind: Kind | undefined): Promise<boolean> {
  const worker: Worker = await hire(root)
  const { outcome } = await worker.ask({ order: 'tell', story: storyOf(seed, kind) }, 'told').finally(() => worker.end())
  for (const line of outcome.lines) console.log(line)
  for (const sentence of outcome.found) console.log(`! ${sentence}`)
  console.log(
    `seed ${seed}: ${outcome.found.length === 0 ? 'all is well' : `${outcome.found.length} breaches`}, ${outcome.hash.slice(0, 16)}`,
  )
  if (outcome.found.length > 0) await shortest(seed, outcome.found, kind)
  return outcome.found.length === 0
}

interface Planting {
  /** Seeds for each bug. */
  most: number
  workers: number
  only: string | undefined
  keep: boolean
  kind: Kind | undefined
}

async function planted({ most, workers, only, keep, kind }: Planting): Promise<boolean> {
  const chosen = bugs.filter(({ name, kind: its = 'single' }) => (!only || name.includes(only)) && (!kind || kind === its))
  if (chosen.length === 0) throw new Wrong(`No bug has "${only}" in its name.`)
  const queue = [...chosen]
  const known = await readStories()
  const shown: string[] = []
  const found: string[] = []
  const stories: Record<string, Story> = {}
  const width = Math.max(...chosen.map(({ name }) => name.length))
  console.log(`${'planted bug'.padEnd(width)}  story  seeds  what the checker said`)
  await side(workers, async () => {
    for (let bug = queue.shift(); bug; bug = queue.shift()) {
      const { seeds, said, ofStory, story } = await plant(root, bug, { most, kept: known[bug.name], shorten: keep })
      if (story) stories[bug.name] = story
      if (said || ofStory) found.push(bug.name)
      if (ofStory) shown.push(bug.name)
      const sentence = said ?? ofStory ?? (most > 0 ? `NOT FOUND in ${seeds} seeds` : 'its story goes well')
      console.log(
        `${bug.name.padEnd(width)} ${ofStory ? ' shows' : '     –'} ${(said ? String(seeds) : '–').padStart(6)}  ${sentence.split('\n')[0]?.slice(0, 110)}`,
      )
    }
  })
  if (most > 0) console.log(`${found.length} of ${chosen.length} planted bugs found, by seeds or by the story that is kept of them`)
  console.log(`${shown.length} of ${chosen.length} stories show their bug`)
  if (keep) await keepStories(stories)
  return (most === 0 ? shown : found).length === chosen.length
}

try {
  const given = settings()
  const well = given.planted
    ? await planted({ ...given, most: given.stories ? 0 : some(given.seeds) })
    : given.seed !== undefined && given.seeds === undefined
      ? await one(given.seed, given.kind)
      : await seeds(some(given.seeds), given.seed ?? 1, given)
  process.exit(well ? 0 : 1)
} catch (error) {
  console.error(error instanceof Wrong ? error.message : error)
  process.exit(2)
}
