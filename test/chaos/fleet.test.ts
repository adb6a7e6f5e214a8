import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { type Server, type Socket, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import postgres from 'postgres'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { leftOut } from '../support/left-out.ts'
import { until } from '../support/until.ts'
import { within } from '../support/within.ts'
import { type Fleet, openFleet } from './fleet.ts'
import { type Ground, serverGround } from './ground.ts'
import type { Model } from './model.ts'
import type { Program } from './program.ts'

/** What a node is to a fleet: it dials its store, says that it is ready, answers at its door and ends when it is asked to. */
const stub = `
  const { connect, createServer } = require('node:net')
  const { DATABASE_URL, PORT, NODE_NAME, LIFE, FAILS } = process.env
  process.stderr.write('life ' + LIFE + '\\n')
  if (FAILS) process.exit(3)
  const { hostname, port } = new URL(DATABASE_URL)
  const line = connect(port, hostname, () => line.write(NODE_NAME + ';'))
  line.on('error', () => {})
  createServer((socket) => socket.on('error', () => {}).on('data', () => socket.write(NODE_NAME + ' ' + LIFE)))
    .listen(PORT, '127.0.0.1', () => process.stdout.write('Nexus is ready'))
  process.on('SIGTERM', () => process.exit(0))
`

const program: Pick<Program, 'start'> = {
  start(environment, log, [...words] = []) {
    const [command = '', ...more] = [...words, 'sh', '-c', `exec "${process.execPath}" --eval "$CODE" 2>>"${log}"`]
    const child = spawn(command, more, { env: { ...environment, CODE: stub }, stdio: ['ignore', 'pipe', 'ignore'] })
    const ended = once(child, 'exit').then(([code, signal]) => (code ?? signal) as number | NodeJS.Signals)
    const ready = Promise.race([once(child.stdout, 'data').then(() => true), ended.then(() => false)])
    return { pid: child.pid as number, ready, ended }
  },
}

const model: Model = {
  settings: (world, life) => ({ CHAT_API_KEY: `chaos-${world}-${life}`, CHAT_BASE_URL: 'http://127.0.0.1:9/v1', LIFE: String(life) }),
  behave() {},
  generations: async () => [],
  close() {},
}

let folder: string
let store: Server
/** Who has dialled the store: the names that they gave, and the sockets. */
const guests: { socket: Socket; said: string }[] = []
let fleet: Fleet | undefined

const groundAt = (url: string): Ground => ({
  settings: { DATABASE_URL: url },
  read: () => Promise.reject(new Error('there is nothing to read')),
  remove: async () => {},
})

async function open(ground?: Ground, nodes = 3): Promise<Fleet> {
  const { port } = store.address() as { port: number }
  const own = await mkdtemp(join(folder, 'fleet-'))
  const needs = { name: 'w', folder: own, program, model, nodes, wire: 'chat', seed: 7 } as const
  fleet = await within(20_000, openFleet({ ...needs, ground: ground ?? groundAt(`postgres://me@127.0.0.1:${port}/x`) }), 'the start')
  return fleet
}

/** What a node answers. */
function ask({ url }: { url: string }): Promise<string> {
  const { port } = new URL(url)
  const answer = new Promise<string>((resolve, reject) => {
    const socket = connect(Number(port), '127.0.0.1', () => socket.write('?'))
    socket.on('error', reject)
    socket.on('data', (bytes) => {
      resolve(String(bytes))
      socket.destroy()
    })
  })
  return within(5_000, answer, 'the answer')
}

test.before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nexus-fleet-'))
  store = createServer((socket) => {
    const guest = { socket, said: '' }
    guests.push(guest)
    socket.on('error', () => {})
    socket.on('data', (bytes) => {
      guest.said += bytes
    })
  })
  await new Promise<void>((resolve) => store.listen(0, '127.0.0.1', resolve))
})
test.after.each(async () => {
  await fleet?.close()
  fleet = undefined
  for (const { socket } of guests.splice(0)) socket.destroy()
})
test.after(async () => {
  store.close()
  await rm(folder, { recursive: true, force: true })
})

test('every node has a name, a door and a line of its own, and no two lives have the same number', async () => {
  const { nodes, lives } = await open()
  assert.equal(await Promise.all(nodes.map((node) => ask(node))), ['n1 1', 'n2 2', 'n3 3'])
  await until(() => guests.length === 3 && guests.every(({ said }) => said), 'the lines')
  assert.equal(guests.map(({ said }) => said).sort(), ['n1;', 'n2;', 'n3;'])
  for (const { postgres } of nodes) assert.is(postgres.connections(), 1)
  assert.is(lives(), 3)
})

test('a node that is killed stays away until it is told to come', async () => {
  const { nodes } = await open()
  const [first] = nodes as [(typeof nodes)[0]]
  const pid = first.pid()
  await first.kill()
  assert.not(first.alive())
  assert.throws(() => process.kill(pid, 0), /ESRCH/)
  await ask(first).then(
    () => assert.unreachable('it answers'),
    () => {},
  )
  assert.is(first.signal('SIGCONT'), false)
  first.start({ MORE: '1' })
  await first.ready()
  assert.equal([await ask(first), first.life(), first.surprises], ['n1 4', 4, []])
  assert.throws(() => first.start(), 'n1 is running')
  assert.is(first.logged(/^life \d/gm), 2)
})

test('a node ends on SIGTERM and says how; one that ends by itself is a surprise', async () => {
  const { nodes } = await open()
  const [first, second] = nodes as [(typeof nodes)[0], (typeof nodes)[0]]
  assert.is(await first.term(), 0)
  assert.equal(first.surprises, [])
  second.signal('SIGABRT')
  assert.is(await second.ended(), 'SIGABRT')
  assert.equal(second.surprises, ['life 2 (n2) ended with SIGABRT'])
  first.start({ FAILS: '1' })
  await first.ready().then(
    () => assert.unreachable('it is ready'),
    ({ message }: Error) => assert.match(message, /^n1 ended with 3 before it was ready; its log is \S+n1\.log$/),
  )
})

test('a frozen node answers nobody, keeps its connections and goes on where it was', async () => {
  const { nodes } = await open()
  const [first, second] = nodes as [(typeof nodes)[0], (typeof nodes)[0]]
  first.freeze()
  let answer = ''
  const asked = ask(first).then((text) => {
    answer = text
  })
  for (let times = 0; times < 10; times++) await ask(second)
  assert.equal([answer, first.alive(), first.postgres.connections()], ['', true, 1])
  first.thaw()
  await asked
  assert.is(answer, 'n1 1')
})

test('a node can be cut off from its store alone, and healing makes everything whole', async () => {
  const opened = await open()
  const [first, second, third] = opened.nodes as [(typeof opened.nodes)[0], (typeof opened.nodes)[0], (typeof opened.nodes)[0]]
  await until(() => guests.length === 3 && guests.every(({ said }) => said), 'the lines')
  first.postgres.set({ type: 'reset_peer' })
  await until(() => guests.filter(({ socket }) => socket.destroyed).length === 1, 'one line is cut')
  assert.ok(guests.find(({ said }) => said === 'n1;')?.socket.destroyed)
  second.freeze()
  await third.kill()
  await within(10_000, opened.heal(), 'healing')
  assert.equal(await Promise.all(opened.nodes.map((node) => ask(node))), ['n1 1', 'n2 2', 'n3 4'])
})

test('closed, a fleet leaves no process, frozen or not', async () => {
  const opened = await open()
  const pids = opened.nodes.map((node) => node.pid())
  opened.nodes[1]?.freeze()
  await opened.nodes[2]?.kill()
  assert.equal(await within(10_000, opened.close(), 'closing'), [0, 0, 'SIGKILL'])
  fleet = undefined
  for (const pid of pids) assert.throws(() => process.kill(pid, 0), /ESRCH/)
})

test('the embedded store is refused, since it has room for one', async () => {
  await open({ ...groundAt(''), settings: { DATA_DIR: folder } }).then(
    () => assert.unreachable('it opened'),
    ({ message }: Error) => assert.match(message, /needs a PostgreSQL server/),
  )
})

const { TEST_DATABASE_URL: server } = process.env
if (!server) leftOut('who has a conversation: TEST_DATABASE_URL is not set')

;(server ? test : test.skip)('who has a conversation is read from the store', async () => {
  const ground = await serverGround(server as string)
  const sql = postgres(ground.settings.DATABASE_URL as string, { max: 1, onnotice() {} })
  try {
    await sql`create table shards (shard smallint primary key, epoch bigint, node text)`
    await sql`create table actors (id text, shard smallint)`
    await sql`insert into shards values (1, 5, 'n2'), (2, 1, null)`
    await sql`insert into actors values ('ours', 1), ('nobodys', 2)`
    const { ownerOf, owners, node } = await open(ground, 2)
    assert.is(await ownerOf('ours'), node('n2'))
    assert.is(await ownerOf('nobodys'), undefined)
    assert.is(await ownerOf('unheard of'), undefined)
    assert.equal([...(await owners(['ours', 'nobodys'])).keys()], ['ours'])
  } finally {
    await sql.end()
    await fleet?.close()
    fleet = undefined
    await ground.remove()
  }
})

test.run()
