/** `nexus`: what an operator asks of a cluster from the command line. It talks to the database alone, and so needs no node to answer. */
import { existsSync } from 'node:fs'
import { beatNode, drainNode } from '../sql/cluster.ts'
import type { Database } from '../sql/database.ts'
import { type DeadLetter, dropDeadLetters, kindOf, listDeadLetters, retryDeadLetters } from '../sql/letters.dead.ts'
import { shardCounts, shardOfActor } from '../sql/shards.ts'
import { type Chart, emptyChart } from './cluster/chart.ts'
import { LEASE } from './cluster/proof.ts'
import { SHARDS, shardOf } from './cluster/shards.ts'
import { type Kind, type KindName, kinds } from '../machines/index.ts'
import { downgrade } from './host/downgrade.ts'
import { WrongSettings, configOfProcess } from './config.ts'
import { openStore } from './store.ts'
import { columns, span } from './table.ts'
import { silent } from './watch/log.ts'

const help = `nexus: what an operator asks of a cluster

  nexus nodes                                who lives, and what each has
  nexus shards [--all | --of CONVERSATION]   where the shards are; every one of them; where a conversation lives
  nexus drain NODE                           the node gives everything away and takes nothing more; waits until it has
  nexus drain NODE --undo                    the node takes its share again, unless it leaves by itself
  nexus dead-letters list [--most N]         events that were set aside after three failures, the newest first
  nexus dead-letters retry ID... | --all     back to their conversations
  nexus dead-letters drop ID... | --all      away for good

  nexus downgrade MACHINE                    its trees go one version back, for the program before; with all nodes stopped

  --json                                     for programs

The database is that of the settings: DATABASE_URL, or the embedded store in DATA_DIR while no node is running on it.`

/** Something that the caller can mend. */
class Misuse extends Error {}

interface Asked {
  words: string[]
  flags: Map<string, string | true>
}

const valued = new Set(['--of', '--most'])
const known = new Set(['--all', '--undo', '--json', '--help', '-h', ...valued])

function read(words: string[]): Asked {
  const asked: Asked = { words: [], flags: new Map() }
  for (let at = 0; at < words.length; at++) {
    const word = words[at] as string
    if (!word.startsWith('-')) asked.words.push(word)
    else if (!known.has(word)) throw new Misuse(`There is no option ${word}; see nexus --help.`)
    else if (!valued.has(word)) asked.flags.set(word, true)
    else {
      const value = words[++at]
      if (value === undefined) throw new Misuse(`${word} needs a value.`)
      asked.flags.set(word, value)
    }
  }
  return asked
}

type Print = (facts: object, text: string) => void

/** The beat of nobody, which renews no lease. */
async function look(db: Database): Promise<Chart> {
  const { nodes, map } = await beatNode(db, { life: '', oldest: LEASE })
  return { ...emptyChart(), nodes, ...map }
}

async function nodes(db: Database, _: Asked, print: Print) {
  const { nodes: all, lives } = await look(db)
  const rows = all.map(({ node, draining, age, machines, version, url, life }) => ({
    node,
    state: age > LEASE ? 'late' : draining ? 'draining' : 'alive',
    shards: lives.slice(0, SHARDS).filter((one) => one === life).length,
    seen_ms_ago: Math.round(age),
    machines,
    version,
    url,
  }))
  const text = rows.map(({ node, state, shards, seen_ms_ago, machines, version, url }) => [
    node,
    state,
    String(shards),
    span(seen_ms_ago),
    Object.entries(machines)
      .map(([kind, newest]) => `${kind} ${newest}`)
      .join(', '),
    version,
    url ?? '',
  ])
  print(
    { nodes: rows },
    rows.length === 0
      ? 'No node is running on this database.'
      : columns(['node', 'state', 'shards', 'seen', 'machines', 'version', 'address'], text),
  )
}

async function shards(db: Database, { flags }: Asked, print: Print) {
  const of = flags.get('--of')
  const { nodes: all, lives, epochs, jobs } = await look(db)
  const nameOf = (life: string | undefined) => all.find((one) => one.life === life)?.node ?? '(nobody)'
  if (typeof of === 'string') {
    const home = await shardOfActor(db, of)
    const shard = home ?? shardOf(of)
    const facts = { conversation: of, isBegun: home !== undefined, shard, epoch: epochs[shard], node: nameOf(lives[shard]) }
    const how = facts.isBegun ? 'lives' : 'has not been begun; it would live'
    return print(facts, `${of} ${how} in shard ${shard}, epoch ${facts.epoch}, at ${facts.node}.`)
  }
  const counts = await shardCounts(db)
  if (flags.has('--all')) {
    const named = new Map(Object.entries(jobs).map(([name, shard]) => [shard, name]))
    const rows = lives.map((life, shard) => ({
      shard,
      ...(named.has(shard) && { job: named.get(shard) }),
      epoch: epochs[shard],
      node: nameOf(life),
      conversations: counts.get(shard) ?? 0,
    }))
    const text = rows.map(({ shard, job, epoch, node, conversations }) => [
      job ?? String(shard),
      String(epoch),
      node,
      String(conversations),
    ])
    return print({ shards: rows }, columns(['shard', 'epoch', 'node', 'conversations'], text))
  }
  const names = [...new Set(lives.map(nameOf))].sort()
  const rows = names.map((node) => {
    const own = lives.flatMap((life, shard) => (nameOf(life) === node ? [shard] : []))
    return {
      node,
      shards: own.filter((shard) => shard < SHARDS).length,
      conversations: own.reduce((sum, shard) => sum + (counts.get(shard) ?? 0), 0),
      jobs: Object.entries(jobs).flatMap(([name, shard]) => (own.includes(shard) ? [name] : [])),
    }
  })
  const text = rows.map((row) => [row.node, String(row.shards), String(row.conversations), row.jobs.join(', ')])
  print({ nodes: rows }, columns(['node', 'shards', 'conversations', 'jobs'], text))
}

/** Milliseconds that a node has to give everything away, and between two looks. */
const DRAIN = 30_000
const AGAIN = 250

async function drain(db: Database, { words: [, node], flags }: Asked, print: Print) {
  if (!node) throw new Misuse('Which node? See nexus nodes.')
  const find = ({ nodes: all, lives }: Chart) => {
    const one = all.find((other) => other.node === node)
    return {
      one,
      left: one ? lives.filter((life) => life === one.life).length : 0,
      heirs: all.filter((other) => other !== one && isHeir(other)),
    }
  }
  const { one: found, heirs: first } = find(await look(db))
  if (!found) throw new Misuse(`There is no node ${node}; see nexus nodes.`)
  if (found.age > LEASE)
    throw new Misuse(`${node} has not been heard of for ${span(found.age)}: what it had goes to others without a word from anybody.`)
  if (flags.has('--undo')) {
    await drainNode(db, node, false)
    return print({ node, draining: false }, `${node} takes its share again, unless it leaves by itself.`)
  }
  if (first.length === 0) throw new Misuse(`Nothing was done: there is no other node that could take what ${node} has.`)
  await drainNode(db, node)
  for (const until = Date.now() + DRAIN; ; await new Promise((resolve) => setTimeout(resolve, AGAIN))) {
    const { one, left, heirs } = find(await look(db))
    if (!one) return print({ node, shards: 0 }, `${node} has gone.`)
    if (left === 0) return print({ node, shards: 0 }, `${node} has given everything away and takes nothing more; end it with SIGTERM.`)
    if (heirs.length === 0) {
      await drainNode(db, node, false)
      throw new Misuse(`The other nodes have gone: ${node} keeps its ${left} shards and takes its share again.`)
    }
    if (Date.now() > until)
      throw new Misuse(`${node} still has ${left} shards after ${DRAIN / 1000} s, and goes on; nexus drain ${node} --undo ends it.`)
  }
}

const isHeir = ({ draining, age }: Chart['nodes'][number]) => !draining && age < LEASE

async function deadLetters(db: Database, { words: [, verb, ...ids], flags }: Asked, print: Print) {
  if (verb === 'list') {
    const most = Number(flags.get('--most') ?? 50)
    if (!Number.isInteger(most) || most < 1) throw new Misuse('--most needs a whole number above 0.')
    const letters = await listDeadLetters(db, most)
    return print(
      { letters },
      letters.length === 0
        ? 'Nothing was set aside.'
        : columns(['id', 'at', 'tenant', 'conversation', 'event', 'error'], letters.map(shown)),
    )
  }
  if (verb !== 'retry' && verb !== 'drop') throw new Misuse('Letters can be listed, retried or dropped; see nexus --help.')
  const all = flags.has('--all')
  if (all === ids.length > 0) throw new Misuse('Name the letters by their ids, or say --all; see nexus dead-letters list.')
  const wrong = ids.find((id) => !/^\d{1,15}$/.test(id))
  if (wrong !== undefined) throw new Misuse(`${wrong} is not the id of a dead letter.`)
  const letters = await listDeadLetters(db, 1_000_000)
  const chosen = all ? letters : letters.filter(({ id }) => ids.includes(String(id)))
  const missing = ids.filter((id) => !letters.some((letter) => String(letter.id) === id))
  if (missing.length > 0) throw new Misuse(`There is no dead letter ${missing.join(', ')}.`)
  const done =
    verb === 'drop'
      ? await dropDeadLetters(
          db,
          chosen.map(({ id }) => id),
        )
      : await retryDeadLetters(
          db,
          chosen.map(({ id, actor }) => ({ id, shard: shardOf(actor) })),
        )
  print(
    { [verb]: done.map(({ id }) => id) },
    `${done.length} ${done.length === 1 ? 'letter' : 'letters'} ${verb === 'drop' ? 'dropped' : 'sent back; whoever has their conversations takes them up within seconds'}.`,
  )
}

async function goBack(db: Database, { words: [, name] }: Asked, print: Print) {
  if (!name || !Object.hasOwn(kinds, name)) throw new Misuse(`Which machine? There is ${Object.keys(kinds).join(', ')}.`)
  const kind: Kind = kinds[name as KindName]
  const trees = await downgrade(db, name, kind)
  print({ machine: name, version: kind.version - 1, trees }, `${trees} trees of "${name}" are of version ${kind.version - 1} now.`)
}

const shown = (letter: DeadLetter) => [
  String(letter.id),
  new Date(letter.at).toISOString().slice(0, 19).replace('T', ' '),
  letter.tenant.slice(0, 8),
  letter.actor,
  kindOf(letter),
  (letter.error.split('\n')[0] as string).slice(0, 80),
]

const commands: Record<string, (db: Database, asked: Asked, print: Print) => Promise<void>> = {
  nodes,
  shards,
  drain,
  'dead-letters': deadLetters,
  downgrade: goBack,
}

try {
  const asked = read(process.argv.slice(2))
  const [name] = asked.words
  if (name === undefined || asked.flags.has('--help') || asked.flags.has('-h')) process.stdout.write(`${help}\n`)
  else {
    const command = Object.hasOwn(commands, name) ? commands[name] : undefined
    if (!command) throw new Misuse(`There is no command ${name}; see nexus --help.`)
    // No credential is needed here: whoever may read the database is an operator.
    const config = configOfProcess({ APP_ENV: 'development' })
    const store = config.databaseUrl === undefined ? `the embedded store in ${config.dataDir}` : 'the database of DATABASE_URL'
    if (config.databaseUrl === undefined && !existsSync(config.dataDir))
      throw new Misuse(`DATABASE_URL is not set, and there is no embedded store in ${config.dataDir}.`)
    const db = await openStore(config, silent)
    const line = db.unhurried()
    try {
      await command({ ...db, sql: line.sql }, asked, (facts, text) =>
        process.stdout.write(`${asked.flags.has('--json') ? JSON.stringify(facts, null, 2) : text}\n`),
      )
    } catch (error) {
      // A function or table of ours is missing.
      if (!/^42(883|P01|703)$/.test((error as { code?: string }).code ?? '')) throw error
      throw new Misuse(`This version of Nexus has not served ${store} yet: start a node on it first.`)
    } finally {
      await line.close()
      await db.close()
    }
  }
} catch (error) {
  const { constructor, message, stack } = error as Error
  process.stderr.write(`${constructor === Error || error instanceof Misuse || error instanceof WrongSettings ? message : stack}\n`)
  process.exitCode = error instanceof Misuse ? 2 : 1
}
