/** What the command line asks for; what makes no sense is refused with a sentence. */
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import type { Plan } from './crew.ts'
import { defaults, planOf } from './load.ts'
import { Misuse } from './misuse.ts'
import { type Share, scenarioNamed, scenarios } from './scenarios.ts'
import { type Threshold, readThresholds, withNoFaults } from './thresholds.ts'

export type Wish =
  | { do: 'help' }
  | { do: 'list' }
  | { do: 'compare'; files: [string, string] }
  | { do: 'run'; plan: Plan; workers: number; json: string | undefined; thresholds: Threshold[] }

/** Sockets below which one process more is not worth its start. */
const FEW = 50

const text = { type: 'string' } as const
const flag = { type: 'boolean' } as const
const options = {
  url: text,
  sockets: text,
  rate: text,
  duration: text,
  ramp: text,
  tail: text,
  scenario: text,
  'storm-every': text,
  token: text,
  text,
  seed: text,
  workers: text,
  expect: text,
  json: text,
  compare: flag,
  list: flag,
  help: { ...flag, short: 'h' },
} as const

type Given = ReturnType<typeof parse>['values']

function parse(args: string[]) {
  try {
    return parseArgs({ args, options, allowPositionals: true })
  } catch (error) {
    throw new Misuse(`${(error as Error).message.split(/[.\n]/)[0]}. npm run load -- --help tells what there is.`)
  }
}

export function readOptions(args: string[]): Wish {
  const { values, positionals } = parse(args)
  if (values.help) return { do: 'help' }
  if (values.list) return { do: 'list' }
  if (values.compare) {
    const [a, b, ...more] = positionals
    if (a === undefined || b === undefined || more.length > 0)
      throw new Misuse('--compare takes two reports that --json has written: --compare before.json after.json')
    return { do: 'compare', files: [a, b] }
  }
  if (positionals.length > 0) throw new Misuse(`"${positionals[0]}" means nothing here; every option has a name that begins with --.`)
  const plan = readPlan(values)
  return {
    do: 'run',
    plan,
    workers: number(values, 'workers', { least: 1, most: 256, whole: true }) ?? workersFor(plan.sockets),
    json: values.json,
    thresholds: withNoFaults(values.expect === undefined ? [] : readThresholds(values.expect)),
  }
}

export const workersFor = (sockets: number): number => Math.min(availableParallelism(), Math.ceil(sockets / FEW))

function readPlan(values: Given): Plan {
  const { token, text } = values
  if (values.url === undefined)
    throw new Misuse('--url is missing: the address of the server, or several with commas, as http://127.0.0.1:3000')
  const plan = planOf({
    urls: values.url.split(',').map(readUrl),
    ...given({
      sockets: number(values, 'sockets', { least: 1, most: 1_000_000, whole: true }),
      rate: number(values, 'rate', { least: 0, most: 1_000_000 }),
      duration: number(values, 'duration', { least: 0.1, most: 604_800 }),
      ramp: number(values, 'ramp', { least: 0, most: 86_400 }),
      tail: number(values, 'tail', { least: 0, most: 86_400 }),
      stormEvery: number(values, 'storm-every', { least: 0.1, most: 86_400 }),
      seed: number(values, 'seed', { least: 0, most: 2 ** 31, whole: true }),
      shares: values.scenario === undefined ? undefined : readShares(values.scenario),
      token,
      text,
    }),
  })
  const { shares, duration, stormEvery } = plan
  // The first storm comes after so long: a run that ends before would pass without one.
  if (shares.some(({ scenario }) => scenarioNamed(scenario)?.storms) && duration <= stormEvery)
    throw new Misuse(
      `--scenario storm needs a --duration longer than --storm-every: in ${duration} s with one every ${stormEvery} s, no storm would come.`,
    )
  return plan
}

const given = <T extends object>(values: T) =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as { [K in keyof T]?: Exclude<T[K], undefined> }

function number(
  values: Given,
  name: keyof Given & string,
  { least, most, whole = false }: { least: number; most: number; whole?: boolean },
): number | undefined {
  const said = values[name]
  if (said === undefined) return undefined
  const value = said === '' ? Number.NaN : Number(said)
  if (value >= least && value <= most && (!whole || Number.isInteger(value))) return value
  throw new Misuse(`--${name} takes a ${whole ? 'whole ' : ''}number from ${least} to ${most}, and "${said}" is none.`)
}

function readUrl(said: string): string {
  const url = URL.canParse(said) ? new URL(said) : undefined
  if (!url || !/^https?:$/.test(url.protocol)) throw new Misuse(`--url takes addresses as http://127.0.0.1:3000, and "${said}" is none.`)
  if (url.pathname !== '/') throw new Misuse(`--url takes the address of a server without a path, and "${said}" has one.`)
  return url.origin
}

function readShares(said: string): Share[] {
  return said.split(',').map((one) => {
    const [, scenario = '', weight = '1'] = /^\s*(\w+)(?::(\d+(?:\.\d+)?))?\s*$/.exec(one) ?? []
    if (!scenarioNamed(scenario) || !(Number(weight) > 0))
      throw new Misuse(
        `--scenario takes ${scenarios.map(({ name }) => name).join(', ')}, several with commas and each with a weight as in chat:8,burst:1, and "${one}" is none.`,
      )
    return { scenario, weight: Number(weight) }
  })
}

export const help = `Opens many sockets to a server that speaks Nexus's protocol over Socket.IO, talks to it, and checks every word that comes back.

  npm run load -- --url http://127.0.0.1:3000 --sockets 2000 --rate 50 --duration 60

whom
  --url URL[,URL…]     where the server is; the nodes of a cluster with commas, and whoever is cut off goes on at the next
  --token TOKEN        the credential, sent as auth.token

how much
  --sockets N          how many, each with a conversation of its own (${defaults.sockets})
  --rate N             messages a second, of all together, a burst of three counted as one; they go out when it is time, whatever the server does (${defaults.rate})
  --duration SECONDS   how long people speak (${defaults.duration})
  --ramp SECONDS       how long they take to come in (as long as 500 a second take)
  --tail SECONDS       how long everything may take to end afterwards, before it is judged (${defaults.tail})
  --workers N          processes (one a core, and none for fewer than ${FEW} sockets more)

what
  --scenario NAME[:WEIGHT][,…]   what people do (chat); --list tells what there is
  --storm-every SECONDS          how often storms come (${defaults.stormEvery}, or in the middle of a run that is as short)
  --text TEXT          what every message says, but for a number behind it
  --seed N             of what is left to chance

the outcome
  --expect 'p99.firstToken<300,gaps=0,lost=0'    what must hold as well: in any case nothing may be lost, doubled, out of order
                       or different, unless that very figure is named here, as in gaps<=2
  --json FILE          writes the report
  --compare A B        shows two reports side by side, and runs nothing

Latency counts from the moment at which a message was to be sent. Ctrl-C ends the speaking, a second one the waiting.
Exit code: 0 all well, 1 something expected does not hold, 2 asked for something that cannot be.`

export const list = scenarios.map(({ name, about }) => `${name.padEnd(8)} ${about}`).join('\n')
