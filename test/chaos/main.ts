/** Breaks the real process in every way that we know of, while people talk to it, and tells what was lost. See README.md, "Chaos". */
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { random } from '../support/random.ts'
import { type Ground, Impossible, type StoreKind, layGround, leaveNote, serverGround, startServer } from './ground.ts'
import type { Talk } from './journal.ts'
import { type Model, startModel, wiresWithKeys } from './model.ts'
import { type Options, Unusable, readOptions } from './options.ts'
import { type Program, compile } from './program.ts'
import type { Scenario } from './scenarios.ts'
import type { Stored } from './stored.ts'
import { type Row, jsonOf, machine, tableOf, totalsOf } from './table.ts'
import { habits } from './talker.ts'
import { type Tally, type Violation, judge } from './verdict.ts'
import { openWorld } from './world.ts'

/** Faults in the life of one world: then everything comes to its end and the verdict is passed. */
const SLICE = 30
/** Milliseconds in which everything ends once nothing is broken any more: a model that fell silent is waited for half a minute. */
const TAIL = 120_000

interface Slice {
  name: string
  store: StoreKind
  scenario: Scenario
  faults: number
  seed: number
}

interface Workshop {
  folder: string
  options: Options
  program: Program
  model: Model
  /** A server for everybody; undefined when only the embedded store is looked at. */
  url: string | undefined
  /** What is to be ended whatever happens. */
  closers: (() => Promise<unknown>)[]
}

async function run(options: Options): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'nexus-chaos-'))
  await chmod(folder, 0o755) // PostgreSQL does not run as root, and its own user must reach its data
  const began = performance.now()
  const closers: (() => Promise<unknown>)[] = []
  let failed = false
  let kept = options.keep
  const close = async () => {
    for (const one of closers.splice(0).reverse()) await one().catch((error: Error) => console.error(error.message))
    if (kept) console.log(`\nThe data is kept in ${folder}`)
    else await rm(folder, { recursive: true, force: true })
  }
  // Servers and mounts would outlive a process that is interrupted.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void close().finally(() => process.exit(130)))
  try {
    const url = options.stores.includes('postgres') ? await serverOf(options, folder, closers) : undefined
    const program = await compile(join(folder, 'program'))
    const model = await startModel(folder, options.seed)
    closers.push(async () => model.close())
    console.log(`chaos: seed ${options.seed}, ${options.lanes} worlds at once, ${options.clients} clients each; ${machine()}`)

    const rows = new Map<string, Row>()
    const slices = slicesOf(options)
    await Promise.all(
      Array.from({ length: options.lanes }, async () => {
        for (let slice = slices.shift(); slice; slice = slices.shift()) {
          const row = await runSlice(slice, { folder, options, program, model, url, closers })
          failed ||= row.violations.length > 0
          kept ||= failed
          add(rows, row)
        }
      }),
    )
    const all = [...rows.values()]
    if (all.every(({ faults }) => faults === 0)) {
      console.log('Nothing was broken, so nothing was shown.')
      failed = true
    }
    console.log(`\n${tableOf(all)}\n\n${totalsOf(all)}\n${machine()}; ${Math.round((performance.now() - began) / 1000)} s`)
    console.log(
      'Recovery: from the moment of a kill or restart, or the end of another fault, to the next word at the client, conversation by conversation.',
    )
    if (options.json)
      await writeFile(options.json, `${JSON.stringify({ seed: options.seed, machine: machine(), rows: all.map(jsonOf) }, null, 2)}\n`)
  } finally {
    await close()
  }
  return failed ? 1 : 0
}

async function serverOf({ database }: Options, folder: string, closers: (() => Promise<unknown>)[]): Promise<string> {
  if (database) {
    const ground = await serverGround(database).catch((error: Error) => {
      throw new Unusable(`PostgreSQL at ${new URL(database).host} cannot be used: ${error.message || (error as { code?: string }).code}`)
    })
    await ground.remove()
    return database
  }
  const server = await startServer(join(folder, 'postgres')).catch((error: Error & { stderr?: string }) => {
    throw new Unusable(
      `There is no PostgreSQL: set TEST_DATABASE_URL or --database, install PostgreSQL 15 so that one can be started, or choose --store pglite (${(error.stderr || error.message).trim().split('\n').at(-1)}).`,
    )
  })
  closers.push(() => server.stop())
  return server.url
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

const nothing: Tally = { answered: 0, stopped: 0, failed: 0, replies: 0, retracted: 0, generations: 0 }

async function runSlice(slice: Slice, { folder, options, program, model, url, closers }: Workshop): Promise<Row> {
  const { name, store, scenario, faults, seed } = slice
  const row: Row = {
    store,
    scenario: scenario.name,
    kills: scenario.kills,
    faults: 0,
    what: {},
    violations: [],
    recoveries: [],
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
  for (const silent of await world.settle(TAIL)) blame('live', silent)
  for (const surprise of scenario.mayEnd ? [] : world.surprises) blame('live', surprise)
  const { all, late } = world.recoveries()
  row.recoveries = all
  for (const ms of late) blame('live', `words came again only ${Math.round(ms)} ms after the server was ready`)
  const stored = await ground.read()
  const { violations, tally } = judge({ talks: world.journal.talks, stored, generations: await model.generations(name) })
  row.violations.push(...violations)
  row.tally = tally
  console.log(`${row.violations.length ? '✗' : '✓'} ${name}: ${row.faults} faults, ${tally.answered} answered, ${world.lives()} lives`)
  const keep = options.keep || row.violations.length > 0
  await end(keep)
  if (row.violations.length > 0) await tell(row, { talks: world.journal.talks, stored, home, seed: options.seed })
  if (!keep) await rm(home, { recursive: true, force: true })
  return row
}

interface Story {
  talks: readonly Talk[]
  stored: Stored
  home: string
  seed: number
}

/** What went wrong, with the whole story of the first conversation that it went wrong for: what was said, heard and stored. */
async function tell({ violations, scenario, store }: Row, { talks, stored, home, seed }: Story) {
  for (const { promise, conversation, what } of violations.slice(0, 20))
    console.log(`  ${promise}: ${what}${conversation && ` (${conversation})`}`)
  const first = violations.find(({ conversation }) => conversation)?.conversation
  const talk = talks.find(({ conversation }) => conversation === first)
  if (talk) {
    console.log(`  the journal of ${talk.conversation}, ${talk.door}:`)
    for (const entry of talk.entries.slice(-60)) console.log(`    ${JSON.stringify(entry).slice(0, 240)}`)
    console.log('  stored:')
    for (const event of stored.events.filter(({ conversation }) => conversation === first).slice(-40))
      console.log(`    ${JSON.stringify(event).slice(0, 240)}`)
  }
  const again = `npm run chaos -- --store ${store} --scenario ${scenario} --seed ${seed}`
  await leaveNote(
    home,
    `${violations.map((one) => JSON.stringify(one)).join('\n')}\n\nThe seed fixes the choices and not the timing: ${again}\n`,
  )
  console.log(`  the choices of this run again: ${again}`)
}

/** Whoever comes second finds it done. */
function once<A>(work: (argument: A) => Promise<void>): (argument: A) => Promise<void> {
  let done: Promise<void> | undefined
  return (argument) => (done ??= work(argument))
}

function add(rows: Map<string, Row>, row: Row) {
  const key = `${row.store} ${row.scenario}`
  const before = rows.get(key)
  if (!before) return void rows.set(key, row)
  before.faults += row.faults
  before.violations.push(...row.violations)
  before.recoveries.push(...row.recoveries)
  for (const [what, times] of Object.entries(row.what)) before.what[what] = (before.what[what] ?? 0) + times
  before.tally = Object.fromEntries(
    Object.entries(before.tally).map(([name, value]) => [name, value + row.tally[name as keyof Tally]]),
  ) as unknown as Tally
}

try {
  process.exitCode = await run(readOptions(process.argv.slice(2), process.env))
} catch (error) {
  process.stderr.write(`${error instanceof Unusable ? error.message : (error as Error).stack}\n`)
  process.exitCode = error instanceof Unusable ? 2 : 1
}
