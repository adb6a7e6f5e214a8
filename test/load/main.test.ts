/** The command as somebody types it: what it says to those who name no server, and a run against the real server. */
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Server } from 'socket.io'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { testServer } from '../support/server.ts'
import { within } from '../support/within.ts'
import { readReport } from './compare.ts'
import { startDouble } from './double.ts'
import { Misuse } from './misuse.ts'
import { probe } from './preflight.ts'
import { faults, keysOf } from './tally.ts'

const main = fileURLToPath(new URL('main.ts', import.meta.url))
const tsx = import.meta.resolve('tsx')

interface Said {
  code: number
  out: string
  error: string
}

const load = (...args: string[]): Promise<Said> =>
  within(
    60_000,
    new Promise((resolve) => {
      execFile(process.execPath, ['--import', tsx, main, ...args], { killSignal: 'SIGKILL', timeout: 60_000 }, (failed, out, error) =>
        resolve({ code: failed ? Number(failed.code) : 0, out, error }),
      )
    }),
    `load ${args.join(' ')}`,
  )

const refuses = async (url: string, why: RegExp) => {
  const error = await probe(url, undefined).then(String, (error: Error) => error)
  assert.ok(error instanceof Misuse && why.test(error.message) && !error.message.includes('\n'), String(error))
}

const listening = async (http = createServer()) => {
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  return { http, url: `http://127.0.0.1:${(http.address() as AddressInfo).port}` }
}

test('nobody there, a server of another kind and one with another protocol are told apart, each in a sentence', async () => {
  const deaf = await listening(createServer((_, answer) => answer.writeHead(404).end()))
  const other = await listening()
  const io = new Server(other.http, { transports: ['websocket'] })
  io.on('connection', (socket) => socket.on('conversation.join', (_, answer) => answer({ hello: 'there' })))
  const guarded = await listening()
  const strict = new Server(guarded.http, { transports: ['websocket'] })
  strict.use(({ handshake }, next) => next(handshake.auth['token'] === 'good' ? undefined : new Error('A credential is required.')))
  strict.on('connection', (socket) => socket.on('conversation.join', (_, answer) => answer({ ok: true, seq: 0 })))
  const gone = await listening()
  await new Promise((resolve) => gone.http.close(resolve))
  try {
    await refuses(gone.url, /cannot be reached \(ECONNREFUSED\)/)
    await refuses(deaf.url, /is no Socket\.IO server/)
    await refuses(other.url, /does not know conversation\.join/)
    await refuses(guarded.url, /refuses the connection: A credential is required\./)
    await probe(guarded.url, 'good')
    const { code, out, error } = await load('--url', gone.url)
    assert.equal([code, out, error.trim().split('\n').length], [2, '', 1], error)
  } finally {
    deaf.http.close()
    await Promise.all([io.close(), strict.close()])
  }
})

test('what does not hold is told with what was found, and the exit code is 1', async () => {
  const double = await startDouble({ lie: 'says other words' })
  const expected = 'differing=0,max.endToEnd<1,lost=0,p50.stop<1000'
  try {
    const { code, out } = await load('--url', double.url, '--sockets', '2', '--rate', '10', '--duration', '0.5', '--expect', expected)
    assert.is(code, 1)
    assert.match(out, /missed: differing=0 \(it is [1-9]/)
    assert.match(out, /missed: max\.endToEnd<1 \(it is \d+/)
    assert.match(out, /missed: p50\.stop<1000 \(nothing was measured\)/)
    assert.not.match(out, /missed: lost/)
    assert.match(out, /differing texts: t1\/1 was heard as/)
  } finally {
    await double.close()
  }
})

test('whoever expects one thing more excuses nothing: a server that tells something twice fails all the same', async () => {
  const double = await startDouble({ lie: 'tells one twice' })
  try {
    const { code, out } = await load(
      ...['--url', double.url, '--sockets', '2', '--rate', '10', '--duration', '0.5', '--expect', 'p99.firstToken<100000'],
    )
    assert.is(code, 1, out)
    assert.match(out, /missed: duplicates=0 \(it is [1-9]/)
    assert.not.match(out, /missed: p99/)
  } finally {
    await double.close()
  }
})

test('two processes of people talk to the real server, stop it, cut their lines and read slowly, and nothing is amiss', async () => {
  const server = await testServer({ OFFLINE_PACE: '60' })
  const folder = await mkdtemp(join(tmpdir(), 'nexus-load-'))
  const file = join(folder, 'report.json')
  try {
    const { code, out, error } = await load(
      ...['--url', server.url, '--sockets', '20', '--rate', '8', '--duration', '2.5', '--ramp', '0.3', '--workers', '2', '--json', file],
      ...['--scenario', 'idle,chat:4,burst,storm:2,stop:2,reader', '--storm-every', '0.8', '--text', 'What happens when a node dies?'],
    )
    assert.is(code, 0, `${out}\n${error}`)
    const { counts, figures, settings } = await readReport(file)
    assert.is(settings.workers, 2)
    assert.equal(
      keysOf(faults).filter((name) => counts[name] > 0),
      [],
    )
    assert.ok(counts.sent >= 18, `${counts.sent} sent`)
    assert.is(counts.acknowledged, counts.sent)
    assert.is(counts.answered + counts.stopped, counts.sent)
    assert.ok(counts.stopped > 0 && counts.frames > counts.sent)
    // Whoever is cut off again on the way back comes back once.
    assert.ok(counts.reconnects > 0 && counts.reconnects <= counts.drops, `${counts.reconnects} of ${counts.drops}`)
    assert.is(figures.connect.count, 20)
    assert.ok(figures.firstToken.count === counts.sent && (figures.firstToken.p50 ?? 0) > 1)
    assert.match(out, /first token +\d+/)
  } finally {
    await server.stop()
    await rm(folder, { recursive: true, force: true })
  }
})

test.run()
