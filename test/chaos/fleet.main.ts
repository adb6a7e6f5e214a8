/** Breaks several nodes on one PostgreSQL in every way that we know of, while people talk to all of them. See main.ts for a single one. */
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type Network, openNetwork } from '../support/netns.ts'
import { random } from '../support/random.ts'
import { type RedisServer, startRedis, whyNoRedis } from '../support/redis.ts'
import { quantile } from './bound.ts'
import type { FleetScenario } from './fleet.scenario.ts'
import { openStage } from './fleet.stage.ts'
import { Impossible, layGround } from './ground.ts'
import { type Model, startModel, wiresWithKeys } from './model.ts'
import type { Options } from './options.ts'
import { type Program, compile } from './program.ts'
import { tell } from './report.ts'
import { type Row, machine, tableOf, totalsOf, waitsTableOf } from './table.ts'
import { habits } from './talker.ts'
import { judge, nothing } from './verdict.ts'
import { type Wait, waitsOf } from './waits.ts'
import { type Workshop, once, openWorkshop, serverOf } from './workshop.ts'

/** Faults after which a long run says where it stands. */
const PORTION = 25

interface Shop extends Pick<Workshop, 'folder' | 'closers'> {
  options: Options
  program: Program
  model: Model
  url: string
}

export async function runFleet(options: Options): Promise<Row[]> {
  const workshop = await openWorkshop(options.keep)
  const { folder, closers } = workshop
  const began = performance.now()
  const rows: Row[] = []
  try {
    const url = await serverOf(options.database, workshop)
    const program = await compile(join(folder, 'program'))
    const model = await startModel(folder, options.seed)
    closers.push(async () => model.close())
    const noRedis = options.redis ? whyNoRedis() : 'it is not wanted'
    console.log(
      `chaos: seed ${options.seed}, ${options.nodes} nodes, ${options.clients} clients, ${noRedis ? `no Redis (${noRedis})` : 'Redis'}; ${machine()}`,
    )
    const chance = random(options.seed)
    const killing = options.fleet.filter(({ kills }) => kills).length
    for (const scenario of options.fleet) {
      const faults = scenario.kills ? Math.ceil(options.kills / killing) : Math.max(1, Math.round(options.kills / 20))
      const row = await play(scenario, Math.min(faults, scenario.most ?? faults), chance.below(2 ** 31), {
        folder,
        options,
        program,
        model,
        url,
        closers,
      })
      rows.push(row)
      if (row.violations.length > 0) workshop.keep()
    }
    console.log(`\n${tableOf(rows)}\n\n${totalsOf(rows)}\n\nWaits in all of it, faults included:\n${waitsTableOf(rows)}\n`)
    for (const { name, fault, figure } of options.fleet) console.log(`${name} (${fault}): recovery is ${figure}`)
    console.log(`\n${machine()}; ${Math.round((performance.now() - began) / 1000)} s`)
  } finally {
    await workshop.close()
  }
  return rows
}

async function play(scenario: FleetScenario, faults: number, seed: number, shop: Shop): Promise<Row> {
  const { options, model, program } = shop
  const name = `fleet${scenario.name.replaceAll('-', '')}`
  const row: Row = {
    store: 'postgres',
    scenario: scenario.name,
    kills: scenario.kills ?? false,
    faults: 0,
    what: {},
    violations: [],
    recoveries: [],
    back: [],
    tally: nothing,
  }
  const home = join(shop.folder, name)
  await mkdir(home)
  const props = await fetchProps(scenario, home, shop).catch((error) => {
    if (!(error instanceof Impossible)) throw error
    return error
  })
  if (props instanceof Impossible) {
    console.log(`– ${scenario.name} (${scenario.fault}): skipped, ${props.message}`)
    return { ...row, skipped: props.message }
  }
  const { ground, redis, network, remove } = props
  const chance = random(seed)
  model.behave({ world: name, ...scenario.manner })
  const opening = openStage({
    name,
    folder: home,
    program,
    model,
    ground,
    redis,
    network,
    nodes: options.nodes,
    wire: chance.pick(wiresWithKeys),
    seed,
    clients: scenario.clients ?? options.clients,
    habits: { ...habits, ...scenario.habits },
    settings: (node, life) => scenario.settings?.(chance, node, life) ?? {},
  })
  const stage = await opening.catch((error: Error) => error)
  if (stage instanceof Error) {
    console.log(`✗ ${scenario.name} (${scenario.fault}): the fleet did not start: ${stage.message}`)
    row.violations.push({ promise: 'live', conversation: '', what: `the fleet did not start: ${stage.message}` })
    await remove(true)
    return row
  }
  let over = false
  shop.closers.push(async () => over || stage.close())
  await stage.busy()
  for (let fault = 0; fault < faults; fault++) {
    const strike = await scenario.strike(stage)
    if (!strike) continue
    row.faults++
    if (strike.what) row.what[strike.what] = (row.what[strike.what] ?? 0) + 1
    if (row.faults % PORTION === 0 && row.faults < faults) {
      const { all } = stage.crowd.recoveries(options.patience * 1_000)
      console.log(`  ${scenario.name}: ${row.faults} of ${faults}; next word p50 ${ms(quantile(all, 0.5))}, p99 ${ms(quantile(all, 0.99))}`)
    }
    await stage.busy()
  }
  model.behave({ world: name })
  row.violations.push(...(await stage.settle()))
  over = true
  const { all, back, late } = stage.crowd.recoveries(options.patience * 1_000)
  row.recoveries = all
  row.back = back
  for (const ms of late)
    row.violations.push({
      promise: 'live',
      conversation: '',
      what: `words came again only ${Math.round(ms)} ms after everything was there again`,
    })
  for (const surprise of scenario.mayEnd ? [] : stage.fleet.nodes.flatMap(({ surprises }) => surprises))
    row.violations.push({ promise: 'live', conversation: '', what: surprise })
  const stored = await ground.read()
  const { violations, tally } = judge({ talks: stage.journal.talks, stored, generations: await model.generations(name) })
  row.violations.push(...violations)
  row.tally = tally
  const { kept, first, next } = waitsOf(stage.journal.talks)
  row.waits = { kept: figures(kept), first: figures(first), next: figures(next) }
  const shown = Object.entries(row.what).map(([what, times]) => `${what}${times > 1 ? ` (${times})` : ''}`)
  console.log(
    `${row.violations.length ? '✗' : '✓'} ${scenario.name} (${scenario.fault}): ${row.faults} faults${shown.length ? `, ${shown.join(', ')}` : ''}; ` +
      `${tally.answered} answered, ${stage.fleet.lives()} lives; next word p50 ${ms(quantile(all, 0.5))}, p99 ${ms(quantile(all, 0.99))}`,
  )
  const keep = options.keep || row.violations.length > 0
  await remove(keep)
  const again = `--nodes ${options.nodes} --scenario ${scenario.name} --seed ${options.seed}`
  if (row.violations.length > 0) await tell(row, { talks: stage.journal.talks, stored, home, again })
  if (!keep) await rm(home, { recursive: true, force: true })
  return row
}

/** What the scenario breaks, and what its nodes stand on; throws `Impossible` where this machine has it not. */
async function fetchProps(scenario: FleetScenario, home: string, { options, url, closers }: Shop) {
  const why = scenario.impossible?.()
  if (why) throw new Impossible(why)
  const noRedis = options.redis ? whyNoRedis() : 'Redis is not wanted'
  if (scenario.needsRedis && noRedis) throw new Impossible(noRedis)
  const ground = await layGround(home, { url, breaks: scenario.breaks })
  let redis: RedisServer | undefined
  let network: Network | undefined
  const remove = once(async (keep: boolean) => {
    await network?.close()
    await redis?.stop()
    await ground.remove(keep)
  })
  closers.push(() => remove(true))
  if (!noRedis) redis = await startRedis({ folder: home })
  if (scenario.needsNetwork) network = await openNetwork({ places: options.nodes })
  return { ground, redis, network, remove }
}

const figures = (waits: readonly Wait[]): [number?, number?, number?] => {
  const all = waits.map(({ ms }) => ms)
  // Of a long run there are too many to be arguments of one call.
  return all.length === 0 ? [] : [quantile(all, 0.5) as number, quantile(all, 0.99) as number, quantile(all, 1) as number]
}

const ms = (value: number | undefined) => (value === undefined ? '–' : `${Math.round(value)} ms`)
