/** A PostgreSQL behind a transaction pooler: said at the start, and served all the same. */
import { execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import postgres from 'postgres'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { openDatabase } from '../../sql/database.ts'
import { leftOut } from '../support/left-out.ts'
import { freePort } from '../support/port.ts'
import { startNexus } from '../support/process.ts'
import { random } from '../support/random.ts'
import { until } from '../support/server.ts'
import { within } from '../support/within.ts'

const admin = process.env.TEST_DATABASE_URL
const program = ['/usr/sbin/pgbouncer', '/usr/bin/pgbouncer'].find((path) => existsSync(path))

async function behindPooler(run: (url: string) => Promise<void>, ...more: string[]) {
  const folder = mkdtempSync(join(tmpdir(), 'nexus-pooler-'))
  chmodSync(folder, 0o755)
  const name = `nexus_pooler_${randomBytes(6).toString('hex')}`
  const own = await freePort(random(process.pid))
  const root = postgres(admin as string, { max: 1, onnotice() {} })
  await root`create database ${root(name)}`
  const { hostname, port, username } = new URL(admin as string)
  const settings = join(folder, 'pgbouncer.ini')
  writeFileSync(
    settings,
    `[databases]\n* = host=${hostname} port=${port} user=${username}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = ${own}\nauth_type = any\n` +
      ['pool_mode = transaction', 'default_pool_size = 8', 'unix_socket_dir =', ...more, ''].join('\n'),
  )
  // It does not run as root, and every machine that has PostgreSQL has this user.
  const isRoot = process.getuid?.() === 0
  const uid = isRoot ? Number(execFileSync('id', ['-u', 'postgres'], { encoding: 'utf8' })) : undefined
  const pooler = spawn(program as string, [settings], { stdio: 'ignore', ...(uid !== undefined && { uid }) })
  const ended = new Promise<void>((resolve) => pooler.once('close', () => resolve()))
  try {
    await until(
      () =>
        new Promise<boolean>((resolve) => {
          const socket = connect(own, '127.0.0.1', () => resolve(true)).on('error', () => resolve(false))
          socket.unref()
        }),
      'the pooler',
    )
    await run(`postgres://${username}@127.0.0.1:${own}/${name}`)
  } finally {
    pooler.kill('SIGTERM')
    await within(10_000, ended)
    await root`drop database ${root(name)} with (force)`
    await root.end()
    rmSync(folder, { recursive: true, force: true })
  }
}

const isPooled = async (url: string) => {
  const db = await openDatabase({ url, max: 1 })
  await db.close()
  return db.isPooled
}

if (!admin || !program) leftOut(`a transaction pooler: ${admin ? 'there is no PgBouncer' : 'TEST_DATABASE_URL is not set'}`)
else {
  test('a pooler is recognised by what it refuses, also where it hands its sessions out in turn and others are at work', () =>
    behindPooler(async (url) => {
      const others = [1, 2].map(() => postgres(url, { max: 1, prepare: false, onnotice() {} }))
      let letGo = () => {}
      const all = new Promise<void>((resolve) => (letGo = resolve))
      let busy = 0
      const transactions = others.map((sql) => sql.begin(async (tx) => void (await tx`select 1`, ++busy, await all)))
      await until(() => busy === 2, 'two sessions')
      // A third while the two are busy.
      const third = postgres(url, { max: 1, prepare: false, onnotice() {} })
      await third`select 1`
      letGo()
      await Promise.all(transactions)
      assert.is(await isPooled(url), true)
      await Promise.all([...others, third].map((sql) => sql.end()))
    }, 'server_round_robin = 1'))

  test('a pooler that passes over it in silence is recognised by a session that two connections have had', () =>
    behindPooler(async (url) => assert.is(await isPooled(url), true), 'ignore_startup_parameters = tcp_keepalives_idle'))

  test('a server without a pooler is none', async () => assert.is(await isPooled(admin), false))

  test('two nodes behind a transaction pooler say what that costs, and answer', () =>
    behindPooler(async (url) => {
      const one = await startNexus({ DATABASE_URL: url, NODE_NAME: 'n1', OFFLINE_PACE: '0' })
      const two = await startNexus({ DATABASE_URL: url, NODE_NAME: 'n2', OFFLINE_PACE: '0' })
      try {
        assert.match(one.output(), /transaction pooler/)
        await until(async () => /n2.*shards=\d/s.test(two.output()) || /gave shards/.test(one.output()), 'the second has its share')
        for (let at = 0; at < 6; at++) {
          const { status } = await within(
            30_000,
            fetch(`${(at % 2 ? one : two).url}/v1/chat`, {
              method: 'POST',
              headers: { 'content-type': 'application/json' },
              body: JSON.stringify({ message: 'What is Nexus?' }),
            }),
          )
          assert.is(status, 200)
        }
        assert.not.match(one.output(), /prepared statement/)
      } finally {
        await one.kill('SIGTERM')
        await two.kill('SIGTERM')
      }
    }))
}

test.run()
