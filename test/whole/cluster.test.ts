/** Several real nodes on one PostgreSQL, with Redis and without: one conversation, heard everywhere, wherever it lives. */
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'
import postgres from 'postgres'
import { io } from 'socket.io-client'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { SHARDS, shardOf } from '../../runtime/cluster/shards.ts'
import { type TestClient, cursorOf, read, reading, readFrom, testClient } from '../support/client.ts'
import { leftOut } from '../support/left-out.ts'
import { type NexusProcess, failsToStart, startNexus } from '../support/process.ts'
import { providerDouble } from '../support/provider.ts'
import { modelsAt, until } from '../support/server.ts'
import { isSettled } from '../support/settled.ts'

const double = await providerDouble()
const question = 'Please explain how the tides of the sea come about. A short answer will do.'
const words = (count: number) => Array.from({ length: count }, (_, at) => `word${at} `)
const admin = process.env.TEST_DATABASE_URL
const redis = process.env.TEST_REDIS_URL

interface Fleet {
  nodes: NexusProcess[]
  start(name: string, more?: Record<string, string>): Promise<NexusProcess>
  settings: Record<string, string>
  sql: postgres.Sql
  /** Where a conversation lives. */
  ownerOf(conversation: string): Promise<string>
}

const opened: NexusProcess[] = []

async function withFleet(names: string[], more: Record<string, string>, run: (fleet: Fleet) => Promise<void>) {
  const name = `nexus_fleet_${randomBytes(6).toString('hex')}`
  const root = postgres(admin as string, { max: 1, onnotice() {} })
  await root`create database ${root(name)}`
  const url = new URL(admin as string)
  url.pathname = name
  const sql = postgres(url.href, { max: 1, onnotice() {} })
  const settings = { DATABASE_URL: url.href, ...modelsAt(double, 'openai'), ...more }
  const start = async (node: string, others: Record<string, string> = {}) => {
    const started = await startNexus({ ...settings, NODE_NAME: node, ...others })
    opened.push(started)
    return started
  }
  try {
    const nodes: NexusProcess[] = []
    for (const one of names) nodes.push(await start(one))
    await until(() => isSettled(sql, names), 'every shard is where it stays')
    await run({
      nodes,
      start,
      settings,
      sql,
      ownerOf: async (conversation) =>
        (await sql<{ node: string }[]>`select s.node from actors a join shards s on s.shard = a.shard where a.id = ${conversation}`)[0]
          ?.node as string,
    })
  } finally {
    for (const one of opened.splice(0)) await one.kill('SIGKILL').catch(() => {})
    await sql.end()
    await root`drop database ${root(name)} with (force)`
    await root.end()
  }
}

interface Standing {
  nodes: { node: string; shards: number }[]
  shards: { node: string; epoch: number }[]
  deadLetters: { conversation: string; event: string; error: string }[]
}

/** Somebody who watches the cluster at this node. */
async function operatorAt({ url }: NexusProcess) {
  const socket = io(`${url}/operators`, { transports: ['websocket'], reconnection: false })
  const heard: [name: string, payload: { node?: string; state?: string; fault?: string }][] = []
  socket.onAny((name, payload) => heard.push([name, payload]))
  const watch = async () => (await socket.timeout(10_000).emitWithAck('cluster.watch')) as Standing
  return { heard, watch, standing: await watch(), close: () => socket.close() }
}

const posts = () => double.requests.filter(({ method, path }) => method === 'POST' && path.endsWith('/responses')).length

/** A conversation of this node in which two hundred words are being said. */
async function speakingAt(node: string, watcher: TestClient, ownerOf: Fleet['ownerOf']): Promise<{ conversation: string; id: string }> {
  for (;;) {
    const { conversation } = await watcher.join()
    double.next({ text: words(200), pace: 10 })
    const told = await watcher.send(conversation, question)
    assert.ok(told.ok)
    if ((await ownerOf(conversation)) === node) return { conversation, id: told.id }
    await watcher.stop(conversation)
    await watcher.tell('conversation.leave', { conversation })
  }
}

test.after.each(() => double.forget())
test.after(() => double.close())

const ways: [string, Record<string, string>][] = [
  ...(redis ? [['Redis', { REDIS_URL: redis }] as [string, Record<string, string>]] : []),
  ['PostgreSQL alone', {}],
]
if (admin && !redis) leftOut('several nodes with a Redis: TEST_REDIS_URL is not set')
if (!admin) leftOut('several nodes: TEST_DATABASE_URL is not set')
else
  for (const [name, more] of ways) {
    test(`a conversation is heard on every node, wherever it lives, by ${name}`, () =>
      withFleet(['n1', 'n2'], more, async ({ nodes, ownerOf }) => {
        const owners = new Set<string>()
        // Where one lands is chance: as many as it takes until both nodes have had some.
        for (let at = 0; at < 4 || (owners.size < 2 && at < 40); at++) {
          const [one, two] = [await testClient((nodes[0] as NexusProcess).url), await testClient((nodes[1] as NexusProcess).url)]
          const { conversation } = await one.join()
          await two.join(conversation)
          double.next({ text: words(30), pace: 5 })
          const told = await one.send(conversation, question)
          assert.ok(told.ok, JSON.stringify(told))
          await one.answerTo((told as { id: string }).id)
          await two.answerTo((told as { id: string }).id)
          const [a, b] = [read(reading(), one.heard), read(reading(), two.heard)]
          assert.equal([a.faults, b.faults], [[], []])
          assert.is(a.finished[0]?.text, b.finished[0]?.text)
          assert.is(a.finished[0]?.text, words(30).join(''))
          owners.add(await ownerOf(conversation))
          // Said at one, repeated at the other: kept once.
          const again = await two.send(conversation, question, (told as { id: string }).id)
          assert.equal(again, { ok: true, id: (told as { id: string }).id, seq: (told as unknown as { seq: number }).seq, duplicate: true })
          one.close()
          two.close()
        }
        assert.is(owners.size, 2, 'both nodes had some')
      }))

    test(`when the owner is killed in mid-sentence another node goes on, by ${name}`, () =>
      withFleet(['n1', 'n2', 'n3'], more, async ({ nodes, ownerOf }) => {
        const client = await testClient((nodes[0] as NexusProcess).url)
        const { conversation } = await client.join()
        double.next({ text: words(300), pace: 10 })
        const told = await client.send(conversation, question)
        assert.ok(told.ok)
        await until(() => client.heard.filter(([one]) => one === 'reply.delta').length > 10, 'some words')
        const owner = await ownerOf(conversation)
        const at = Number(owner.slice(1)) - 1
        const so = read(reading(), client.heard)
        const operators = await Promise.all(nodes.filter((_, other) => other !== at).map(operatorAt))
        // Long enough that whoever comes back on a busy machine finds it in flight.
        double.next({ text: words(80), pace: 30 })
        const began = performance.now()
        await (nodes[at] as NexusProcess).kill('SIGKILL')
        let back = client
        if (at === 0) {
          client.close()
          back = await testClient((nodes[1] as NexusProcess).url)
          const joined = await back.join(conversation, cursorOf(so))
          read(so, joined.missed ?? [])
        }
        const heard = back === client ? client.heard.length : 0
        await until(() => back.heard.slice(heard).some(([one]) => one === 'reply.delta') || so.attempt === 2, 'a word')
        console.log(`${name}: the next word ${(performance.now() - began).toFixed(0)} ms after kill -9 of the owner`)
        await until(() => read(so, back.heard).finished[0], 'the reply', 20_000)
        assert.equal([so.faults, so.retracted, so.attempt], [[], 1, 2])
        assert.is(so.finished[0]?.text, words(80).join(''))
        for (const { heard: news, close } of operators) {
          await until(() => news.some(([name, { node, fault }]) => name === 'fault.detected' && node === owner && fault), 'the fault')
          close()
        }
        back.close()
      }))

    test(`where the model writes in the background the reply of a killed node goes on without a break, by ${name}`, () =>
      withFleet(['n1', 'n2'], { ...more, OPENAI_BACKGROUND: 'true' }, async ({ nodes, ownerOf }) => {
        const watcher = await testClient((nodes[1] as NexusProcess).url)
        const { conversation } = await speakingAt('n1', watcher, ownerOf)
        const own = () => watcher.heard.filter(([, payload]) => payload.conversation === conversation)
        await until(() => own().filter(([one]) => one === 'reply.delta').length > 5, 'some words')
        const bought = posts()
        await (nodes[0] as NexusProcess).kill('SIGKILL')
        await until(() => read(reading(), own()).finished[0], 'the reply', 20_000)
        const so = read(reading(), own())
        assert.equal([so.faults, so.retracted, so.attempt], [[], 0, 1])
        assert.is(so.finished[0]?.text, words(200).join(''))
        assert.is(posts() - bought, 0, 'nothing was bought twice')
        watcher.close()
      }))

    test(`a node that leaves gives its conversations away while it speaks, by ${name}`, () =>
      withFleet(['n1', 'n2'], more, async ({ nodes, ownerOf }) => {
        const watcher = await testClient((nodes[1] as NexusProcess).url)
        const { conversation, id } = await speakingAt('n1', watcher, ownerOf)
        const mine = () => watcher.heard.filter(([, payload]) => payload.conversation === conversation)
        await until(() => mine().filter(([one]) => one === 'reply.delta').length > 5, 'some words')
        const leaving = (nodes[0] as NexusProcess).kill('SIGTERM')
        await until(async () => (await ownerOf(conversation)) === 'n2', 'the move')
        // In the middle of the reply somebody else comes.
        const late = await testClient((nodes[1] as NexusProcess).url)
        const so = readFrom(await late.join(conversation))
        await watcher.answerTo(id)
        const own = read(reading(), mine())
        assert.equal([own.faults, own.retracted], [[], 0])
        assert.is(own.finished[0]?.text, words(200).join(''))
        await until(() => read(so, late.heard).finished[0], 'the reply at the late one')
        assert.equal([so.faults, so.finished[0]?.text], [[], words(200).join('')])
        assert.is(await leaving, 0)
        // A stop reaches the work of a conversation that has moved.
        watcher.close()
        late.close()
      }))
  }

if (admin)
  test('a second node of the same name is refused', () =>
    withFleet(['n1'], {}, async ({ settings }) => {
      const { code, said } = await failsToStart({ ...settings, NODE_NAME: 'n1' })
      assert.is(code, 1)
      assert.match(said, /A node named n1 is already running on this database; set another NODE_NAME\./)
    }))

/** The command of an operator, in a process of its own. */
const nexus = (settings: Record<string, string>, ...words: string[]): Promise<{ code: number; said: string; complained: string }> =>
  new Promise((resolve) =>
    execFile(
      process.execPath,
      [fileURLToPath(new URL('../../runtime/nexus.mjs', import.meta.url)), ...words],
      { cwd: tmpdir(), env: { PATH: process.env.PATH, ...settings } },
      (error, said, complained) => resolve({ code: Number(error?.code ?? 0), said, complained }),
    ),
  )

if (admin)
  test('an operator sees the nodes, empties one, and sends back what was set aside', () =>
    withFleet(['n1', 'n2'], {}, async ({ nodes, settings, sql, ownerOf }) => {
      const own = { DATABASE_URL: settings.DATABASE_URL as string }
      const watching = await operatorAt(nodes[0] as NexusProcess)
      const { heard } = watching
      assert.equal(watching.standing.nodes.map(({ node }) => node).sort(), ['n1', 'n2'])
      const before = JSON.parse((await nexus(own, 'nodes', '--json')).said) as { nodes: { node: string; state: string; shards: number }[] }
      assert.equal(
        before.nodes.map(({ node, state }) => [node, state]),
        [
          ['n1', 'alive'],
          ['n2', 'alive'],
        ],
      )
      assert.is(
        before.nodes.reduce((sum, { shards }) => sum + shards, 0),
        1024,
      )

      const metrics = await (await fetch(`${(nodes[1] as NexusProcess).url}/metrics`)).text()
      const shares = [...metrics.matchAll(/^nexus_node_shards\{node="(n\d)"\} (\d+)$/gm)].map(([, node, shards]) => ({
        node,
        shards: Number(shards),
      }))
      assert.equal(
        shares,
        before.nodes.map(({ node, shards }) => ({ node, shards })),
      )
      assert.match(metrics, /^nexus_draining 0$/m)

      const client = await testClient((nodes[0] as NexusProcess).url)
      const { conversation } = await client.join()
      const told = await client.send(conversation, question)
      assert.ok(told.ok)
      await client.answerTo((told as { id: string }).id)
      const of = await nexus(own, 'shards', '--of', conversation)
      assert.match(of.said, new RegExp(`^${conversation} lives in shard \\d+, epoch \\d+, at ${await ownerOf(conversation)}\\.$`, 'm'))

      const nobody = await nexus(own, 'shards', '--of', 'nobody')
      assert.match(nobody.said, /^nobody has not been begun; it would live in shard \d+, epoch \d+, at n[12]\.$/m)
      const table = [...(await nexus(own, 'shards')).said.matchAll(/^(n\d)\s+(\d+)/gm)]
      assert.equal(
        table.map(([, node, shards]) => ({ node, shards: Number(shards) })),
        shares,
      )
      const all = (await nexus(own, 'shards', '--all')).said.match(/^\d+\s+\d+\s+n\d\s+\d+$/gm)
      assert.is(all?.length, SHARDS)

      const lost = { to: 'root', event: { type: 'message.received', message: { id: 'again', text: 'and the moon?' } } }
      await sql`
        insert into dead_letters (tenant_id, actor, dedup_key, envelope, error)
        select tenant_id, id, 'message:again', ${sql.json(lost)}, 'Error: because' from actors
      `
      assert.match((await nexus(own, 'dead-letters', 'list')).said, /message\.received\s+Error: because/)
      const seen = await watching.watch()
      const { epoch = -1, node } = seen.shards[shardOf(conversation)] ?? {}
      assert.ok(of.said.includes(`epoch ${epoch}, at ${node}.`), `${of.said} ${epoch} ${node}`)
      assert.equal(
        seen.deadLetters.map((letter) => [letter.conversation, letter.event, letter.error]),
        [[conversation, 'message.received', 'Error: because']],
      )
      assert.is((await nexus(own, 'dead-letters', 'retry', '--all')).code, 0)
      const [useless] = await sql<[{ id: number }]>`
        insert into dead_letters (tenant_id, actor, dedup_key, envelope, error)
        select tenant_id, id, 'message:useless', ${sql.json(lost)}, 'Error: never' from actors returning id::int
      `
      assert.is((await nexus(own, 'dead-letters', 'drop', String(useless.id))).code, 0)
      assert.is((await client.answerTo('again')).role, 'assistant')
      assert.match((await nexus(own, 'dead-letters', 'list')).said, /Nothing was set aside/)

      const drained = await nexus(own, 'drain', 'n2')
      assert.equal([drained.code, drained.complained], [0, ''])
      assert.is(await ownerOf(conversation), 'n1')
      await until(
        () => heard.some(([name, { node, state }]) => name === 'node.changed' && node === 'n2' && state === 'draining'),
        'the news',
      )
      assert.is((await fetch(`${(nodes[1] as NexusProcess).url}/ready`)).status, 503)
      // Whoever still talks to the emptied node is served all the same.
      const other = await testClient((nodes[1] as NexusProcess).url)
      await other.join(conversation)
      const more = await other.send(conversation, question)
      assert.ok(more.ok)
      await other.answerTo((more as { id: string }).id)
      for (const words of [
        ['drain', 'nobody'],
        ['frobnicate'],
        ['nodes', '--wat'],
        ['dead-letters', 'retry'],
        ['dead-letters', 'drop', '77'],
      ]) {
        const refused = await nexus(own, ...words)
        assert.is(refused.code, 2, words.join(' '))
        assert.match(refused.complained, /^[A-Z-].*\.\n$/, words.join(' '))
      }
      // Nobody is left who could take anything: nothing is begun that could not be ended.
      const last = await nexus(own, 'drain', 'n1')
      assert.equal([last.code, last.complained], [2, 'Nothing was done: there is no other node that could take what n1 has.\n'])
      assert.is((await fetch(`${(nodes[0] as NexusProcess).url}/ready`)).status, 200)
      assert.is((await nexus(own, 'drain', 'n2', '--undo')).said, 'n2 takes its share again, unless it leaves by itself.\n')
      await until(() => isSettled(sql, ['n1', 'n2']), 'both have their share again', 20_000)
      await until(async () => (await fetch(`${(nodes[1] as NexusProcess).url}/ready`)).status === 200, 'n2 is ready again')
      watching.close()
      client.close()
      other.close()
    }))

test('the command of an operator makes no database where there is none', async () => {
  const { code, complained } = await nexus({ DATA_DIR: '/nowhere/data' }, 'nodes')
  assert.equal([code, complained], [2, 'DATABASE_URL is not set, and there is no embedded store in /nowhere/data.\n'])
})

test.run()
