/** The whole program in a process of its own: started, killed in mid-sentence, started again, told to stop. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFile, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import postgres from 'postgres'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { readConfig } from '../../runtime/config.ts'
import { startSystem } from '../../runtime/system.ts'
import { silent } from '../../runtime/watch/log.ts'
import { cursorOf, read, reading, testClient } from '../support/client.ts'
import { leftOut } from '../support/left-out.ts'
import { failsToStart, inFolder, startNexus } from '../support/process.ts'
import { providerDouble } from '../support/provider.ts'
import { asking, modelsAt, until } from '../support/server.ts'
import { openSse } from '../support/sse.ts'
import { patience, within } from '../support/within.ts'

const double = await providerDouble()
const question = 'Please explain how the tides of the sea come about. A short answer will do.'
const words = (count: number) => Array.from({ length: count }, (_, at) => `word${at} `)

/** A process that is in the middle of this reply. */
async function midSentence(
  settings: Record<string, string>,
  reply: Parameters<typeof double.next>[0],
  models = modelsAt(double, 'openai'),
) {
  const nexus = await startNexus({ ...models, ...settings })
  const client = await testClient(nexus.url)
  const { conversation } = await client.join()
  double.next(reply)
  const told = await client.send(conversation, question)
  assert.ok(told.ok)
  await client.hears('reply.delta')
  return { nexus, client, conversation, told }
}

test.after.each(() => double.forget())
test.after(() => double.close())

const admin = process.env.TEST_DATABASE_URL
const stores: [name: string, use: (run: (store: Record<string, string>) => Promise<void>) => Promise<void>][] = [
  ['the embedded store', (run) => inFolder((folder) => run({ DATA_DIR: join(folder, 'data') }))],
]
if (admin)
  stores.push([
    'PostgreSQL',
    async (run) => {
      const name = `nexus_whole_${randomBytes(6).toString('hex')}`
      const sql = postgres(admin, { max: 1, onnotice() {} })
      await sql`create database ${sql(name)}`
      const url = new URL(admin)
      url.pathname = name
      try {
        await run({ DATABASE_URL: url.href })
      } finally {
        await sql`drop database ${sql(name)} with (force)`
        await sql.end()
      }
    },
  ])

for (const [name, use] of stores) {
  test(`a process killed in mid-sentence goes on with the same turn after a restart, on ${name}`, () =>
    use(async (store) => {
      const settings = { ...store, ...modelsAt(double, 'openai') }
      const first = await startNexus(settings)
      const client = await testClient(first.url)
      const { conversation } = await client.join()
      double.next({ text: words(200), pace: 15 })
      const told = await client.send(conversation, question)
      assert.ok(told.ok)
      await until(() => client.heard.filter(([one]) => one === 'reply.delta').length > 10, 'some words')
      assert.is(await first.kill('SIGKILL'), 'SIGKILL')
      const so = read(reading(), client.heard)
      const cursor = cursorOf(so)
      assert.ok((cursor.offset ?? 0) > 20)
      client.close()

      double.next({ text: words(50), pace: 10 })
      const began = performance.now()
      const second = await startNexus(settings)
      const ready = performance.now() - began
      const back = await testClient(second.url)
      const joined = await back.join(conversation, cursor)
      assert.ok(joined.missed)
      read(so, joined.missed)
      const first_ = await until(() => so.text || read(so, back.heard).text || so.finished[0], 'a word after the restart')
      assert.ok(first_)
      const spoke = performance.now() - began
      const whole = await until(() => read(so, back.heard).finished[0], 'the reply', 20_000)
      await until(() => [...(joined.missed ?? []), ...back.heard].some(([one]) => one === 'turn.finished'), 'the end of the turn')
      console.log(
        `${name}: started in ${first.startedIn.toFixed(0)} ms; after kill -9 ready in ${ready.toFixed(0)} ms, first word at ${spoke.toFixed(0)} ms`,
      )
      assert.equal([so.faults, so.retracted, so.turn, so.attempt], [[], 1, 't1', 2])
      assert.is(whole.text, words(50).join(''))
      const { messages } = await back.join(conversation)
      assert.equal(
        messages.map(({ role, text }) => [role, text]),
        [
          ['user', question],
          ['assistant', whole.text],
        ],
      )
      // The message was durable: sending it again is a duplicate, of which nothing begins.
      assert.equal(await back.send(conversation, question, told.id), { ok: true, id: told.id, seq: 1, duplicate: true })
      back.close()
      assert.is(await second.kill('SIGTERM'), 0)
    }))

  test(`a model that can goes on with the words of a process that was killed, on ${name}`, () =>
    use(async (store) => {
      const models = { ...modelsAt(double, 'chat'), CHAT_CONTINUATION: 'prefix' }
      const { nexus, client, conversation } = await midSentence(store, { text: words(200), pace: 15 }, models)
      await until(() => client.heard.filter(([one]) => one === 'reply.delta').length > 40, 'words that are in the log by now')
      await nexus.kill('SIGKILL')
      const so = read(reading(), client.heard)
      const cursor = cursorOf(so)
      client.close()

      double.next({ text: 'and so on.' })
      const arrival = double.arrival()
      const second = await startNexus({ ...store, ...models })
      await arrival
      const back = await testClient(second.url)
      const joined = await back.join(conversation, cursor)
      read(so, joined.missed ?? [])
      const whole = await until(() => read(so, back.heard).finished[0], 'the reply', 20_000)
      const { messages } = double.requests.at(-1)?.body as { messages: { role: string; content: string; prefix?: boolean }[] }
      const given = messages.at(-1)
      assert.equal([given?.role, given?.prefix], ['assistant', true])
      assert.ok((given?.content.length ?? 0) >= 40)
      assert.ok(
        words(200)
          .join('')
          .startsWith(given?.content ?? '?'),
        'what was said before',
      )
      assert.is(whole.text, `${given?.content}and so on.`)
      assert.equal([so.faults, so.attempt], [[], 2])
      back.close()
      assert.is(await second.kill('SIGTERM'), 0)
    }))

  test(`SIGTERM lets a reply end, takes nothing new and leaves with 0, on ${name}`, () =>
    use(async (store) => {
      const { nexus, client, conversation, told } = await midSentence({ ...store, DRAIN_MAX_MS: '20000' }, { text: words(40), pace: 20 })
      for (let count = 0; count < 2; count++) double.next({ text: words(30), pace: 20 })
      const [arrivals, streamed] = [double.arrival(), await openSse(nexus.url, '/v1/chat/stream', { message: question })]
      await arrivals
      const second = double.arrival()
      const asked = asking(nexus.url, 'POST', '/v1/chat', { message: question })
      await second
      const began = performance.now()
      const ended = nexus.kill('SIGTERM')
      await client.hears('node.leaving')
      const late = await client.send(conversation, 'one more thing, please')
      assert.ok(!late.ok && late.code === 'server.draining' && (late.retryAfter ?? 0) > 0)
      const refused = await asking(nexus.url, 'POST', '/v1/chat', { message: 'hi' })
      assert.equal([refused.status, refused.headers.get('retry-after')], [503, '2'])
      assert.is((await asking(nexus.url, 'GET', '/ready')).status, 503)
      assert.is((await client.answerTo(told.id)).text, words(40).join(''))
      assert.is((await asked).json().message, words(30).join(''))
      assert.is(await within(5_000, streamed.ended), 'ended')
      assert.is(streamed.lines.at(-1)?.data.finished, true)
      assert.is(await ended, 0)
      assert.ok(performance.now() - began < 20_000)
      client.close()
    }))
}

test('a signal that comes twice at once is one: the reply ends, and the end is 0', async () => {
  const { nexus, client, told } = await midSentence({ DATA_DIR: ':memory:' }, { text: words(40), pace: 20 })
  // One from the terminal, one from `npm start`. Two of a kind might reach the process as one.
  process.kill(nexus.pid, 'SIGINT')
  const ended = nexus.kill('SIGTERM')
  assert.is((await client.answerTo(told.id)).text, words(40).join(''))
  assert.is(await ended, 0)
  assert.is(nexus.output().match(/stopping/g)?.length, 1)
  client.close()
})

test('who asks again a second later does not wait for replies', async () => {
  const { nexus, client } = await midSentence({ DATA_DIR: ':memory:' }, { text: ['a word '], fault: 'hang' })
  const began = performance.now()
  let end: unknown
  void nexus.ended.then((how) => {
    end = how
  })
  await until(() => {
    if (end === undefined) void nexus.kill('SIGINT')
    return end !== undefined
  }, 'the end')
  assert.is(end, 1)
  assert.ok(performance.now() - began > 900)
  client.close()
})

const line = await readFile('/proc/sys/net/core/somaxconn', 'utf8').then(Number, () => 0)
if (line < 1_024) leftOut(`a crowd that waits: the system lets ${line || 'an unknown number of'} connections wait`, 'machine')
else
  test('a process that stands still for a moment turns nobody away', async () => {
    const nexus = await startNexus({ DATA_DIR: ':memory:' })
    const { hostname, port } = new URL(nexus.url)
    process.kill(nexus.pid, 'SIGSTOP')
    const knocking = Array.from({ length: 700 }, () => connect({ host: hostname, port: Number(port) }).on('error', () => {}))
    try {
      // Only the system answers now: each of them waits inside.
      await within(5_000, Promise.all(knocking.map((socket) => once(socket, 'connect'))), 'everybody')
    } finally {
      for (const socket of knocking) socket.destroy()
      process.kill(nexus.pid, 'SIGCONT')
      await nexus.kill()
    }
  })

test('SIGTERM cuts a reply that does not end within the drain time, and the next process answers it', () =>
  inFolder(async (folder) => {
    const settings = { DATA_DIR: join(folder, 'data'), ...modelsAt(double, 'openai'), DRAIN_MAX_MS: '300' }
    const nexus = await startNexus(settings)
    const client = await testClient(nexus.url)
    const { conversation } = await client.join()
    double.next({ text: ['a word '], fault: 'hang' })
    const streamed = await openSse(nexus.url, '/v1/chat/stream', { message: question, session_id: conversation })
    await client.hears('reply.delta')
    const began = performance.now()
    assert.is(await nexus.kill('SIGTERM'), 0)
    assert.ok(performance.now() - began < 5_000 * patience)
    client.close()
    await within(5_000, streamed.ended, 'the end of the stream')
    double.next({ text: words(20) })
    const next = await startNexus(settings)
    const back = await testClient(next.url)
    const whole = await until(async () => (await back.join(conversation)).messages.find(({ role }) => role === 'assistant'), 'the answer')
    assert.is(whole.text, words(20).join(''))
    back.close()
    await next.kill()
  }))

test('wrong settings are told all at once, with no stack, before anything starts', async () => {
  const { code, said } = await failsToStart({
    PORT: '99999',
    APP_ENV: 'production',
    DATABASE_URL: 'mysql://x',
    JWT_SECRET: 'short',
    BUDGET_USD: '-1',
    LOG_LEVEL: 'loud',
  })
  assert.is(code, 1)
  for (const name of ['PORT', 'DATABASE_URL', 'JWT_SECRET', 'BUDGET_USD', 'LOG_LEVEL', 'APP_ENV=production']) assert.match(said, name)
  assert.not.match(said, /\n\s+at /)
})

test('a server that was asked for and is not there stops the start with a sentence', async () => {
  const nowhere: Record<string, string>[] = [
    { DATABASE_URL: 'postgres://nobody@127.0.0.1:9/none' },
    { REDIS_URL: 'redis://127.0.0.1:9' },
    { CHAT_BASE_URL: 'http://127.0.0.1:9' },
  ]
  for (const { code, said } of await Promise.all(nowhere.map((settings) => failsToStart({ DATA_DIR: ':memory:', ...settings })))) {
    assert.is(code, 1)
    assert.not.match(said, /\n\s+at /)
    assert.ok(said.trim().length > 20 && said.trim().split('\n').length <= 2, said)
  }
})

test('a start that fails closes the store that it was given', async () => {
  let closes = 0
  const sql = () => Promise.reject(new Error('the schema cannot be read'))
  const line = { sql: Object.assign(sql, { begin: sql, unsafe: sql }), close: async () => {} }
  const db = { ...line, unhurried: () => line, lost: new Promise(() => {}), close: async () => void closes++ }
  const start = startSystem(readConfig({ PORT: '0', DATA_DIR: ':memory:' }), silent, Promise.resolve(db as never))
  assert.match(
    (await within(
      10_000,
      start.catch((error: Error) => error.message),
    )) as string,
    'the schema cannot be read',
  )
  assert.is(closes, 1)
})

test('two processes on one folder: the second refuses with a sentence, and the first does not notice', () =>
  inFolder(async (folder) => {
    const settings = { DATA_DIR: join(folder, 'data') }
    const first = await startNexus(settings)
    const { code, said } = await failsToStart(settings)
    assert.is(code, 1)
    assert.match(said, /data/)
    assert.not.match(said, /\n\s+at /)
    assert.is((await asking(first.url, 'POST', '/v1/chat', { message: 'hi' })).status, 200)
    assert.is(await first.kill('SIGTERM'), 0)
  }))

test('a port that is taken is told in a sentence', () =>
  inFolder(async (folder) => {
    const first = await startNexus({ DATA_DIR: ':memory:' })
    const { code, said } = await failsToStart({ DATA_DIR: join(folder, 'data'), PORT: new URL(first.url).port })
    assert.is(code, 1)
    assert.match(said, /Port \d+ is taken/)
    assert.is(await first.kill('SIGTERM'), 0)
    await rm(folder, { recursive: true, force: true })
  }))

test('production hides the documentation and asks for a credential', async () => {
  const key = 'a key of enough length'
  const nexus = await startNexus({ APP_ENV: 'production', HOST: '127.0.0.1', API_KEY: key, DATA_DIR: ':memory:' })
  assert.is((await asking(nexus.url, 'GET', '/docs/')).status, 404)
  assert.is((await asking(nexus.url, 'GET', '/health')).status, 200)
  assert.is((await asking(nexus.url, 'POST', '/v1/chat', { message: 'hi' })).status, 401)
  assert.is((await asking(nexus.url, 'POST', '/v1/chat', { message: 'hi' }, { 'x-api-key': key })).status, 200)
  const stranger = await within(
    5_000,
    testClient(nexus.url).then(
      () => 'let in',
      (error: Error & { data?: { code: string } }) => error.data?.code,
    ),
  )
  assert.is(stranger, 'credential.missing')
  await nexus.kill('SIGTERM')
})

test.run()
