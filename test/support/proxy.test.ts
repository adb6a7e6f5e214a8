import { type Server, type Socket, connect, createServer } from 'node:net'
import { PassThrough } from 'node:stream'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createPipe } from './proxy.pipe.ts'
import { type Proxy, openProxy } from './proxy.ts'
import { random } from './random.ts'
import { toxics } from './toxic.ts'
import { until } from './until.ts'
import { within } from './within.ts'

/** One end of a connection, and everything that it has seen. */
interface End {
  socket: Socket
  heard(): string
  /** The pieces, each as it was read. */
  pieces: Buffer[]
  /** `reset` is an RST. */
  ended: 'no' | 'end' | 'reset' | 'closed'
}

function watch(socket: Socket): End {
  const end: End = { socket, pieces: [], heard: () => Buffer.concat(end.pieces).toString(), ended: 'no' }
  socket.on('data', (bytes: Buffer) => void end.pieces.push(bytes))
  socket.on('end', () => void (end.ended = 'end'))
  socket.on('error', (error: NodeJS.ErrnoException) => void (end.ended = error.code === 'ECONNRESET' ? 'reset' : 'closed'))
  socket.on('close', () => void (end.ended = end.ended === 'no' ? 'closed' : end.ended))
  return end
}

interface Line {
  proxy: Proxy
  /** Where the server listens. */
  port: number
  /** What the server has accepted, oldest first. */
  accepted: End[]
  dial(): End
  /** A pair of ends that have heard each other. */
  pair(): Promise<{ client: End; server: End }>
}

const open = new Set<{ close(): unknown }>()

async function line(seed = 1): Promise<Line> {
  const accepted: End[] = []
  const server: Server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => void accepted.push(watch(socket)))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  const proxy = await openProxy({ to: { host: '127.0.0.1', port }, seed })
  const clients: End[] = []
  open.add({
    async close() {
      for (const { socket } of [...clients, ...accepted]) socket.destroy()
      await within(2_000, proxy.close(), 'closing the proxy')
      server.close()
    },
  })
  const dial = () => {
    const end = watch(connect({ port: proxy.port, host: proxy.host, allowHalfOpen: true, noDelay: true }))
    clients.push(end)
    return end
  }
  return {
    proxy,
    port,
    accepted,
    dial,
    async pair() {
      const before = accepted.length
      const client = dial()
      client.socket.write('?')
      await until(() => accepted[before]?.heard() === '?', 'the first byte')
      const server = accepted[before] as End
      server.socket.write('!')
      await until(() => client.heard() === '!', 'its answer')
      for (const end of [client, server]) end.pieces.length = 0
      return { client, server }
    },
  }
}

test.after.each(async () => {
  for (const one of open) await one.close()
  open.clear()
})

/** A round trip past everything that was said before, on a connection of its own: what has not arrived by then is held. */
async function aMoment({ dial, accepted }: Line) {
  const before = accepted.length
  dial().socket.write('.')
  await until(() => accepted[before]?.heard() === '.', 'another connection')
}

test('without a toxic bytes and ends pass unchanged, both ways', async () => {
  const { pair, proxy } = await line()
  const { client, server } = await pair()
  const much = 'ebb and flow, '.repeat(100_000)
  client.socket.end(much)
  await until(() => server.ended === 'end', 'the end')
  assert.ok(server.heard() === much)
  server.socket.end(much)
  await until(() => client.ended === 'end', 'the end of the answer')
  assert.ok(client.heard() === much)
  await until(() => proxy.connections() === 0, 'the connection is gone')
  assert.equal(proxy.passed(), { up: much.length + 1, down: much.length + 1 })
})

test('a url by way of the proxy keeps all but its place', async () => {
  const { proxy } = await line()
  assert.is(proxy.at('postgres://me:secret@db.example:5432/chat?x=1'), `postgres://me:secret@127.0.0.1:${proxy.port}/chat?x=1`)
  assert.is(proxy.at('redis://localhost:6379'), `redis://127.0.0.1:${proxy.port}`)
})

test('a reset passes as a reset, and a server that is not there is one', async () => {
  const { pair, proxy } = await line()
  const { client, server } = await pair()
  client.socket.resetAndDestroy()
  await until(() => server.ended === 'reset', 'the reset')
  await until(() => proxy.connections() === 0, 'the connection is gone')
  const nowhere = await openProxy({ to: { host: '127.0.0.1', port: 1 } })
  open.add(nowhere)
  const refused = watch(connect(nowhere.port, '127.0.0.1'))
  await until(() => refused.ended === 'reset', 'the refusal')
})

test('latency makes bytes late, in order, and only on its way', async () => {
  const { pair, proxy } = await line()
  const { client, server } = await pair()
  proxy.set({ type: 'latency', ms: 60, jitter: 60 }, 'up')
  const began = performance.now()
  for (const word of ['one ', 'two ', 'three']) client.socket.write(word)
  server.socket.write('at once')
  await until(() => client.heard() === 'at once', 'the way down')
  const down = performance.now() - began
  await until(() => server.heard() === 'one two three', 'the way up')
  const up = performance.now() - began
  assert.ok(up >= 59, `up after ${up} ms`)
  assert.ok(down < up, `down after ${down} ms`)
  client.socket.end()
  const ending = performance.now()
  await until(() => server.ended === 'end', 'the end')
  assert.ok(performance.now() - ending >= 59, 'an end takes as long as bytes do')
})

test('lost packets come again, in order', async () => {
  const { pair, proxy } = await line(7)
  const { client, server } = await pair()
  proxy.set({ type: 'loss', rate: 0.4, again: 30 }, 'up')
  const much = Array.from({ length: 5_000 }, (_, at) => `${at};`).join('')
  const began = performance.now()
  client.socket.write(much)
  await until(() => server.heard().length === much.length, 'all of it')
  assert.ok(server.heard() === much)
  assert.ok(performance.now() - began >= 29)
})

test('chance is drawn from the seed', async () => {
  async function cut(seed: number) {
    const from = new PassThrough()
    const to = new PassThrough()
    const slices: number[] = []
    to.on('data', (bytes: Buffer) => void slices.push(bytes.length))
    const manners = toxics()
    manners.put({ type: 'slicer', size: 20, variation: 15, pause: 0 })
    const nothing = () => {}
    const sockets = { from: from as unknown as Socket, to: to as unknown as Socket }
    createPipe({ ...sockets, toxics: manners, chance: random(seed), isWaiting: () => false, cut: nothing, reset: nothing })
    from.write(Buffer.alloc(400))
    await until(() => slices.reduce((sum, length) => sum + length, 0) === 400, 'all of it')
    return slices
  }
  assert.equal(await cut(7), await cut(7))
  assert.not.equal(await cut(7), await cut(8))
})

test('bandwidth is so many bytes a second', async () => {
  const { pair, proxy } = await line()
  const { client, server } = await pair()
  proxy.set({ type: 'bandwidth', rate: 100_000 }, 'down')
  const began = performance.now()
  server.socket.write(Buffer.alloc(20_000))
  await until(() => client.heard().length === 20_000, 'all of it')
  const took = performance.now() - began
  assert.ok(took > 150, `20,000 bytes took ${took} ms`)
  proxy.clear('bandwidth')
  server.socket.write(Buffer.alloc(1_000_000))
  await until(() => client.heard().length === 1_020_000, 'the rest at full speed')
})

test('a slicer makes small reads of every size about its own', async () => {
  const { pair, proxy } = await line()
  const { client, server } = await pair()
  proxy.set({ type: 'slicer', size: 5, variation: 3, pause: 2 })
  const text = 'words cut into 🌊 pieces that no decoder likes'
  server.socket.write(text)
  await until(() => client.heard() === text, 'all of it')
  assert.ok(client.pieces.length > 3, `${client.pieces.length} pieces`)
  assert.ok(new Set(client.pieces.map(({ length }) => length)).size > 1, 'they differ')
})

test('slow_close delays the end and not the bytes', async () => {
  const { pair, proxy } = await line()
  const { client, server } = await pair()
  proxy.set({ type: 'slow_close', ms: 80 })
  const began = performance.now()
  client.socket.end('last words')
  await until(() => server.heard() === 'last words', 'the bytes')
  assert.is(server.ended, 'no')
  await until(() => server.ended === 'end', 'the end')
  assert.ok(performance.now() - began >= 79)
})

test('timeout holds everything and tells nobody; healed, all of it comes in order', async () => {
  const all = await line()
  const { pair, proxy, dial, accepted } = all
  const { client, server } = await pair()
  proxy.set({ type: 'timeout' })
  client.socket.write('held up ')
  server.socket.write('held down ')
  const late = dial() // also who comes now
  late.socket.write('new')
  const other = await line()
  await aMoment(other)
  client.socket.write('and more')
  await aMoment(other)
  assert.equal([server.heard(), client.heard(), server.ended, client.ended, late.ended], ['', '', 'no', 'no', 'no'])
  assert.is(accepted.length, 1)
  proxy.clear('timeout')
  await until(() => server.heard() === 'held up and more' && client.heard() === 'held down ', 'what was held')
  await until(() => accepted[1]?.heard() === 'new', 'who came meanwhile')
})

test('timeout on one way leaves the other open', async () => {
  const all = await line()
  const { pair, proxy } = all
  const { client, server } = await pair()
  proxy.set({ type: 'timeout' }, 'down')
  client.socket.write('asked')
  await until(() => server.heard() === 'asked', 'the question')
  server.socket.write('answered')
  client.socket.write(' again')
  await until(() => server.heard() === 'asked again', 'another question')
  assert.is(client.heard(), '')
  proxy.clear()
  await until(() => client.heard() === 'answered', 'the answer')
})

test('who dies behind a black hole is not known to be dead', async () => {
  const { pair, proxy } = await line()
  const { client, server } = await pair()
  const another = await line()
  for (const end of ['destroy', 'resetAndDestroy'] as const) {
    const { client, server } = await pair()
    proxy.set({ type: 'timeout' })
    client.socket[end]()
    await aMoment(another)
    assert.is(server.ended, 'no', end)
    proxy.clear()
    await until(() => server.ended !== 'no', 'the news')
  }
  assert.equal([client.ended, server.ended], ['no', 'no'])
})

test('drop loses bytes, and healing resets whose bytes were lost', async () => {
  const all = await line()
  const { pair, proxy, dial, accepted } = all
  const loser = await pair()
  const quiet = await pair()
  proxy.set({ type: 'drop' })
  loser.client.socket.write('lost')
  loser.client.socket.write(Buffer.alloc(4_000_000)) // a hole is never full
  const late = dial()
  late.socket.write('lost too')
  await until(() => proxy.lost().up === 4 + 4_000_000 + 8, 'all of it swallowed')
  assert.equal([loser.client.ended, loser.server.ended, late.ended], ['no', 'no', 'no'])
  proxy.clear('drop')
  await until(() => loser.client.ended === 'reset' && loser.server.ended === 'reset' && late.ended === 'reset', 'the resets')
  assert.is(loser.server.heard(), '')
  quiet.client.socket.write('I lost nothing')
  await until(() => quiet.server.heard() === 'I lost nothing', 'who was silent goes on')
  assert.ok(accepted.slice(2).every((end) => end.heard() === ''))
})

test('limit_data ends the connection after so many bytes more', async () => {
  const { pair, proxy } = await line()
  const { client, server } = await pair()
  proxy.set({ type: 'limit_data', bytes: 10 }, 'down')
  server.socket.write('12345')
  await until(() => client.heard() === '12345', 'what is below the limit')
  assert.is(client.ended, 'no')
  server.socket.write('67890 and what is never read')
  await until(() => client.ended === 'end', 'the end')
  assert.is(client.heard(), '1234567890')
  await until(() => server.ended !== 'no', 'the end at the other side')
})

test('reset_peer resets at once, both ends or one, and whoever comes later', async () => {
  const { pair, proxy, dial } = await line()
  const both = await pair()
  proxy.set({ type: 'reset_peer' })
  await until(() => both.client.ended === 'reset' && both.server.ended === 'reset', 'the resets')
  const late = dial()
  await until(() => late.ended === 'reset', 'one more')
  proxy.clear()
  const one = await pair()
  proxy.set({ type: 'reset_peer', ms: 30 }, 'down')
  await until(() => one.client.ended === 'reset', 'the reset')
  assert.is(one.server.ended, 'no')
  proxy.clear()
  await until(() => one.server.ended === 'reset', 'the truth for the other end')
})

test('half_close ends one way, and the other goes on', async () => {
  const { pair, proxy } = await line()
  const { client, server } = await pair()
  proxy.set({ type: 'half_close' }, 'up')
  await until(() => server.ended === 'end', 'the end')
  server.socket.write('still talking')
  await until(() => client.heard() === 'still talking', 'the other way')
  assert.is(client.ended, 'no')
})

test('nothing is left of a connection that is reset while it says goodbye', async () => {
  const { pair, proxy } = await line()
  const { client, server } = await pair()
  const count = () => process.getActiveResourcesInfo().filter((what) => what === 'TCPSocketWrap').length
  const before = count()
  proxy.set({ type: 'half_close' }, 'up')
  proxy.reset()
  for (const { socket } of [client, server]) socket.destroy()
  await until(() => count() === before - 4, 'all four ends are closed')
})

test('reset ends what is open and nothing else', async () => {
  const { pair, proxy } = await line()
  const { client, server } = await pair()
  proxy.reset()
  await until(() => client.ended === 'reset' && server.ended === 'reset', 'the resets')
  await pair()
})

test('who comes after it was led elsewhere is taken there, who came before stays', async () => {
  const [here, there] = [await line(), await line()]
  const before = await here.pair()
  here.proxy.lead({ host: '127.0.0.1', port: there.port })
  const client = here.dial()
  client.socket.write('hello')
  await until(() => there.accepted[0]?.heard() === 'hello', 'the bytes')
  before.client.socket.write('still here')
  await until(() => before.server.heard().endsWith('still here'), 'the bytes of who came before')
})

test.run()
