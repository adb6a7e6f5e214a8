/** Breaks the real process in every way that we know of, while people talk to it, and tells what was lost. See README.md, "Chaos". */
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { random } from '../support/random.ts'
import { runFleet } from './fleet.main.ts'
import { type Ground, Impossible, type StoreKind, layGround } from './ground.ts'
import { type Model, startModel, wiresWithKeys } from './model.ts'
import { type Options, Unusable, readOptions } from './options.ts'
import { type Program, compile } from './program.ts'
import { add, tell } from './report.ts'
import type { Scenario } from './scenarios.ts'
import { type Row, jsonOf, machine, tableOf, totalsOf } from './table.ts'
import { habits } from './talker.ts'
import { type Violation, judge, nothing } from './verdict.ts'
import { type Workshop, once, openWorkshop, serverOf } from './workshop.ts'
import { openWorld } from './world.ts'

/** Faults in the life of one world: then everything comes to its end and the verdict is passed. */
const SLICE = 30

interface Slice {
  name: string
  store: StoreKind
  scenario: Scenario
  faults: number
  seed: number
}

interface Shop extends Pick<Workshop, 'folder' | 'closers'> {
  options: Options
  program: Program
  model: Model
  /** A server for everybody; undefined when only the embedded store is looked at. */
  url: string | undefined
}

async function runAlone(options: Options): Promise<Row[]> {
  const workshop = await openWorkshop(options.keep)
  const { folder, closers } = workshop
  const began = performance.now()
  const rows = new Map<string, Row>()
  try {
    const url = options.stores.includes('postgres') ? await serverOf(options.database, workshop) : undefined
    const program = await compile(join(folder, 'program'))
    const model = await startModel(folder, options.seed)
    closers.push(async () => model.close())
    console.log(`chaos: seed ${options.seed}, ${options.lanes} worlds at once, ${options.clients} clients each; ${machine()}`)

    const slices = slicesOf(options)
    await Promise.all(
      Array.from({ length: options.lanes }, async () => {
        for (let slice = slices.shift(); slice; slice = slices.shift()) {
          const row = await runSlice(slice, { folder, options, program, model, url, closers })
          if (row.violations.length > 0) workshop.keep()
          add(rows, row)
        }
      }),
    )
    const all = [...rows.values()]
    console.log(`\n${tableOf(all)}\n\n${totalsOf(all)}\n${machine()}; ${Math.round((performance.now() - began) / 1000)} s`)
    console.log(
      'Recovery: from the moment of a kill or restart, or the end of another fault, to the next word at the client, conversation by conversation.',
    )
  } finally {
    await workshop.close()
  }
  return [...rows.values()]
}

/** The kills are shared out among the scenarios that kill; of every other fault there are a twentieth as many. */
function slicesOf({ kills, stores, scenarios, seed }: Options): Slice[] {
  const chance = random(seed)
  const killing = scenarios.filter((one) => one.kills).length
  return stores.flatMap((store) =>
    scenarios
      .filter((one) => one.stores.includes(store))
      .flatMap((scenario, place) => {
        const extra = place < kills % Math.max(1, killing) ? 1 : 0
        let left = scenario.kills ? Math.floor(kills / killing) + extra : Math.max(1, Math.round(kills / 20))
        const slices: Slice[] = []
        for (; left > 0; left -= SLICE)
          slices.push({
            name: `${store}${scenario.name}${slices.length}`,
            store,
            scenario,
            faults: Math.min(left, SLICE),
            seed: chance.below(2 ** 31),
          })
        return slices
      }),
  )
}

async function runSlice(slice: Slice, { folder, options, program, model, url, closers }: Shop): Promise<Row> {
  const { name, store, scenario, faults, seed } = slice
  const row: Row = {
    store,
    scenario: scenario.name,
    kills: scenario.kills,
    faults: 0,
    what: {},
    violations: [],
    recoveries: [],
    back: [],
    tally: nothing,
  }
  const home = join(folder, name)
  await mkdir(home)
  let ground: Ground
  try {
    ground = await layGround(home, { url: store === 'postgres' ? url : undefined, breaks: scenario.breaks })
  } catch (error) {
    if (!(error instanceof Impossible)) throw error
    console.log(`– ${name}: skipped, ${error.message}`)
    return { ...row, skipped: error.message }
  }
  const end = once((keep: boolean) => ground.remove(keep))
  closers.push(() => end(true))
  const chance = random(seed)
  model.behave({ world: name, ...scenario.manner })
  const world = await openWorld({
    name,
    folder: home,
    program,
    model,
    ground,
    wire: chance.pick(wiresWithKeys),
    seed,
    clients: scenario.clients ?? options.clients,
    patience: options.patience,
    habits: { ...habits, ...scenario.habits },
    settings: (life) => scenario.settings?.({ chance }, life) ?? {},
  })
  const blame = (promise: Violation['promise'], what: string) => void row.violations.push({ promise, conversation: '', what })
  await world.busy()
  for (let fault = 0; fault < faults; fault++) {
    const strike = await scenario.strike(world)
    if (!strike) continue
    row.faults++
    if (strike.what) row.what[strike.what] = (row.what[strike.what] ?? 0) + 1
    if (scenario.waits !== false) await world.busy()
  }
  model.behave({ world: name })
  for (const silent of await world.settle()) blame('live', silent)
  for (const surprise of scenario.mayEnd ? [] : world.surprises) blame('live', surprise)
  const { all, back, late } = world.recoveries()
  row.recoveries = all
  row.back = back
  for (const ms of late) blame('live', `words came again only ${Math.round(ms)} ms after the server was ready`)
  const stored = await ground.read()
  const { violations, tally } = judge({ talks: world.journal.talks, stored, generations: await model.generations(name) })
  row.violations.push(...violations)
  row.tally = tally
  console.log(`${row.violations.length ? '✗' : '✓'} ${name}: ${row.faults} faults, ${tally.answered} answered, ${world.lives()} lives`)
  const keep = options.keep || row.violations.length > 0
  await end(keep)
  if (row.violations.length > 0)
    await tell(row, {
      talks: world.journal.talks,
      stored,
      home,
      again: `--store ${store} --scenario ${scenario.name} --seed ${options.seed}`,
    })
  if (!keep) await rm(home, { recursive: true, force: true })
  return row
}

try {
  const options = readOptions(process.argv.slice(2), process.env)
  const alone = options.scenarios.length > 0 ? await runAlone(options) : []
  const together = options.fleet.length > 0 ? await runFleet(options) : []
  const rows = [...alone, ...together]
  if (options.json) {
    const told = rows.map((row) => ({ nodes: alone.includes(row) ? 1 : options.nodes, ...jsonOf(row) }))
    await writeFile(options.json, `${JSON.stringify({ seed: options.seed, machine: machine(), rows: told }, null, 2)}\n`)
  }
  // Each for itself: what one half has shown says nothing of the other.
  const nothing = [alone, together].some((half) => half.length > 0 && half.every(({ faults }) => faults === 0))
  if (nothing) console.log('Nothing was broken, so nothing was shown.')
  process.exitCode = nothing || rows.some(({ violations }) => violations.length > 0) ? 1 : 0
} catch (error) {
  process.stderr.write(`${error instanceof Unusable ? error.message : (error as Error).stack}\n`)
  process.exitCode = error instanceof Unusable ? 2 : 1
}
