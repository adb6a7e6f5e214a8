/**
 * `npm run bench [-- name …] [--short] [--json FILE] [--list] [--minutes N]`: our figure, the bare implementation's in the same run,
 * the ratio, the spread, the bar. Ends with 1 when a bar is missed or the machine was too busy for a figure to count.
 */
import { writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { Redis } from 'ioredis'
import postgres from 'postgres'
import { type Benchmark, judge, type Options, type Report } from './bench.ts'
import { benchmarks } from './benchmarks.ts'
import { thisMachine } from './machine.ts'
import { isBusy, machineLine, tableOf } from './table.ts'

/** A sentence for whoever called it wrongly. */
class Misuse extends Error {}

function chosen(names: string[]): Benchmark[] {
  const unknown = names.filter((name) => !benchmarks.some((benchmark) => benchmark.name === name))
  if (unknown.length > 0)
    throw new Misuse(`There is no benchmark named ${unknown.join(', ')}. There are: ${benchmarks.map(({ name }) => name).join(', ')}.`)
  return names.length > 0 ? benchmarks.filter(({ name }) => names.includes(name)) : benchmarks
}

async function serverAt(url: string | undefined): Promise<string | undefined> {
  if (!url) return undefined
  if (!/^postgres(ql)?:\/\//.test(url) || !URL.canParse(url))
    throw new Misuse('BENCH_DATABASE_URL or TEST_DATABASE_URL is no address of a PostgreSQL server; such a one begins with postgres://.')
  const sql = postgres(url, { max: 1, connect_timeout: 5, onnotice() {} })
  try {
    const [row] = await sql<[{ server_version: string }]>`show server_version`
    return `PostgreSQL ${row.server_version}`
  } catch (error) {
    throw new Misuse(
      `The PostgreSQL server that BENCH_DATABASE_URL or TEST_DATABASE_URL names does not answer: ${(error as Error).message}`,
    )
  } finally {
    await sql.end({ timeout: 1 })
  }
}

async function redisAt(url: string | undefined): Promise<string | undefined> {
  if (!url) return undefined
  if (!/^rediss?:\/\//.test(url) || !URL.canParse(url))
    throw new Misuse('BENCH_REDIS_URL or TEST_REDIS_URL is no address of a Redis; such a one begins with redis://.')
  const redis = new Redis(url, { lazyConnect: true, maxRetriesPerRequest: 0, connectTimeout: 5_000, retryStrategy: () => null })
  redis.on('error', () => {}) // the attempt says so itself
  try {
    await redis.connect()
    return `Redis ${/redis_version:(\S+)/.exec(await redis.info('server'))?.[1]}`
  } catch (error) {
    throw new Misuse(`The Redis that BENCH_REDIS_URL or TEST_REDIS_URL names does not answer: ${(error as Error).message}`)
  } finally {
    redis.disconnect()
  }
}

/** What it cannot do without and does not have here. */
function missing({ needsServer, needsRedis }: Benchmark, { databaseUrl, redisUrl }: Pick<Options, 'databaseUrl' | 'redisUrl'>): string[] {
  return [
    ...(needsServer && !databaseUrl ? ['a PostgreSQL server (BENCH_DATABASE_URL)'] : []),
    ...(needsRedis && !redisUrl ? ['Redis (BENCH_REDIS_URL)'] : []),
  ]
}

function minutesOf(given: string | undefined): number | undefined {
  const minutes = given === undefined ? undefined : Number(given)
  if (minutes === undefined || minutes > 0) return minutes
  throw new Misuse(`--minutes takes a number above 0, and ${given} is none.`)
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      short: { type: 'boolean', default: false },
      json: { type: 'string' },
      list: { type: 'boolean', default: false },
      minutes: { type: 'string' },
    },
  })
  const wanted = chosen(positionals)
  if (values.list) {
    for (const { name, about, needsServer, needsRedis } of wanted) {
      const needs = [...(needsServer ? ['a PostgreSQL server'] : []), ...(needsRedis ? ['Redis'] : [])].join(' and ')
      console.log(`${name.padEnd(14)} ${about}${needs && ` (needs ${needs})`}`)
    }
    return 0
  }
  const databaseUrl = process.env.BENCH_DATABASE_URL ?? process.env.TEST_DATABASE_URL
  const server = await serverAt(databaseUrl)
  if (databaseUrl) process.env.BENCH_DATABASE_URL = databaseUrl // for the workers
  const redisUrl = process.env.BENCH_REDIS_URL ?? process.env.TEST_REDIS_URL
  const redis = await redisAt(redisUrl)
  const options: Options = { short: values.short, minutes: minutesOf(values.minutes), databaseUrl, redisUrl }
  const homeless = wanted.filter((benchmark) => missing(benchmark, options).length > 0)
  for (const one of homeless)
    if (positionals.includes(one.name)) throw new Misuse(`${one.name} needs ${missing(one, options).join(' and ')}.`)

  const report: Report = { machine: thisMachine(server, redis), short: values.short, benchmarks: [] }
  console.log(machineLine(report.machine))
  for (const { name, about, run } of wanted.filter((benchmark) => !homeless.includes(benchmark))) {
    const began = performance.now()
    const rows = (await run(options)).map(judge)
    const done = { name, about, rows, seconds: (performance.now() - began) / 1000 }
    report.benchmarks.push(done)
    console.log(`\n${tableOf(done, values.short)}`)
  }
  const wants = new Map<string, string[]>()
  for (const one of homeless) {
    const want = missing(one, options).join(' and ')
    wants.set(want, [...(wants.get(want) ?? []), one.name])
  }
  for (const [want, names] of wants) console.log(`\nleft out, for want of ${want}: ${names.join(', ')}`)
  if (values.json) await writeFile(values.json, `${JSON.stringify(report, null, 2)}\n`)
  if (values.short) return 0

  const rows = report.benchmarks.flatMap(({ name, rows }) => rows.map((row) => ({ name, row })))
  const named = (fits: (row: (typeof rows)[number]['row']) => boolean) =>
    rows.filter(({ row }) => fits(row)).map(({ name, row }) => `${name} (${row.what})`)
  const missed = named(({ verdict }) => verdict === 'missed')
  const busy = named(isBusy)
  if (missed.length > 0) console.log(`\nmissed: ${missed.join(', ')}`)
  if (busy.length > 0)
    console.log(`\nThe machine was busy, so these figures do not count: ${busy.join(', ')}. Run them again when it is at rest.`)
  return missed.length + busy.length > 0 ? 1 : 0
}

try {
  process.exit(await main())
} catch (error) {
  const isUnknown = (error as NodeJS.ErrnoException).code?.startsWith('ERR_PARSE_ARGS')
  if (isUnknown)
    console.error(`${(error as Error).message.split('.')[0]}. Known are names of benchmarks, --short, --json FILE, --list and --minutes N.`)
  else console.error(error instanceof Misuse ? error.message : error)
  process.exit(2)
}
