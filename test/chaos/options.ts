/** What the command line asks for; what makes no sense is refused with a sentence. */
import { parseArgs } from 'node:util'
import type { FleetScenario } from './fleet.scenario.ts'
import { fleetScenarios } from './fleet.scenarios.ts'
import type { StoreKind } from './ground.ts'
import { type Scenario, scenarios } from './scenarios.ts'

export interface Options {
  kills: number
  stores: StoreKind[]
  /** Of one node; empty where only several are wanted. */
  scenarios: readonly Scenario[]
  /** Of several nodes on one PostgreSQL; empty where only one is wanted. */
  fleet: readonly FleetScenario[]
  /** Processes of a fleet. */
  nodes: number
  /** Whether the nodes of a fleet have a Redis: where one is installed, unless it is not wanted. */
  redis: boolean
  seed: number
  /** Worlds at once. */
  lanes: number
  /** Clients of one world. */
  clients: number
  json: string | undefined
  /** A server that somebody else keeps; without it we start one of our own. */
  database: string | undefined
  /** Seconds from the moment at which everything is there again to the next word; beyond them it counts as silence. */
  patience: number
  /** Keeps the data also of what did not fail. */
  keep: boolean
}

const listOf = (all: readonly { name: string; about: string }[]) => all.map(({ name, about }) => `  ${name.padEnd(13)} ${about}`).join('\n')

export const usage = `npm run chaos -- [--kills N] [--store pglite|postgres] [--scenario NAME] [--seed K] [--lanes L] [--clients C] [--patience SECONDS] [--database URL] [--json FILE] [--keep] [--nodes N] [--no-redis]

scenarios of one node, on each store (--nodes 1 plays no others):
${listOf(scenarios)}

scenarios of three nodes on one PostgreSQL (--nodes 2 to 9 plays no others), by the promises that each is meant to shake; all are looked at:
${listOf(fleetScenarios.map(({ name, fault, about, holds }) => ({ name, about: `${about} (${fault}: ${holds.join(', ')})` })))}

--kills counts what is killed, shared out among the scenarios that kill; every other scenario makes one fault for twenty of them.`

/** Said to whoever asked for something that cannot be; no stack. */
export class Unusable extends Error {}

export function readOptions(argv: string[], environment: Record<string, string | undefined>): Options {
  const text = { type: 'string' } as const
  const words = ['kills', 'store', 'scenario', 'seed', 'lanes', 'clients', 'patience', 'json', 'database', 'nodes'] as const
  const named = Object.fromEntries(words.map((name) => [name, text])) as Record<(typeof words)[number], typeof text>
  let given: Partial<Record<(typeof words)[number], string>> & { keep?: boolean; 'no-redis'?: boolean }
  try {
    given = parseArgs({ args: argv, options: { ...named, keep: { type: 'boolean' }, 'no-redis': { type: 'boolean' } } }).values
  } catch (error) {
    throw new Unusable(`${(error as Error).message}\n\n${usage}`)
  }
  const whole = (name: (typeof words)[number], least: number, most: number, fallback: number): number => {
    const value = given[name] === undefined ? fallback : Number(given[name] || Number.NaN)
    if (!Number.isInteger(value) || value < least || value > most)
      throw new Unusable(`--${name} must be a whole number from ${least} to ${most}, not "${given[name]}".`)
    return value
  }
  const { store, scenario } = given
  if (store !== undefined && store !== 'pglite' && store !== 'postgres')
    throw new Unusable(`--store must be pglite or postgres, not "${store}".`)
  const nodes = given.nodes === undefined ? undefined : whole('nodes', 1, 9, 1)
  if (nodes !== undefined && nodes > 1 && store === 'pglite')
    throw new Unusable('--nodes needs --store postgres: the embedded store has room for one process.')
  const alone = nodes === undefined || nodes === 1 ? scenarios : []
  const together = nodes === 1 || store === 'pglite' ? [] : fleetScenarios
  const wanted = scenario?.split(',')
  const names = new Set([...alone, ...together].map(({ name }) => name))
  if (wanted?.some((name) => !names.has(name))) throw new Unusable(`--scenario must be one of ${[...names].join(', ')}, not "${scenario}".`)
  const chosen = <S extends { name: string }>(all: readonly S[]) => all.filter(({ name }) => wanted?.includes(name) ?? true)
  const database = given.database ?? (environment.TEST_DATABASE_URL || undefined)
  if (database !== undefined && !/^postgres(ql)?:\/\//.test(database))
    throw new Unusable(`--database must begin with postgres://, not "${database}".`)
  return {
    kills: whole('kills', 1, 1_000_000, 40),
    stores: store ? [store] : ['pglite', 'postgres'],
    scenarios: chosen(alone),
    fleet: chosen(together),
    nodes: nodes ?? 3,
    redis: !given['no-redis'],
    seed: whole('seed', 0, 2 ** 31, 1 + Math.floor(Math.random() * 1_000_000)),
    lanes: whole('lanes', 1, 16, 2),
    clients: whole('clients', 1, 200, 12),
    patience: whole('patience', 1, 600, 15),
    json: given.json,
    database,
    keep: given.keep ?? false,
  }
}
