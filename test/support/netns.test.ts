import { execFileSync, spawn } from 'node:child_process'
import { type Socket, connect } from 'node:net'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { leftOut } from './left-out.ts'
import { type Network, type Place, openNetwork, whyNoNetwork } from './netns.ts'
import { until } from './until.ts'
import { within } from './within.ts'

const why = whyNoNetwork()
if (why) leftOut(`partitions: ${why}`, 'machine')
const withNetwork = why ? test.skip : test

/** Says on its output what it hears, and says it back. */
const echo = `
  const server = require('node:net').createServer((socket) => {
    socket.on('data', (bytes) => { process.stdout.write(bytes); socket.write(bytes) }).on('error', () => {})
  })
  server.listen(7, () => process.stdout.write('ready;'))
`

let network: Network | undefined
const echoes: Echo[] = []

interface Echo {
  heard(): string
  end(): Promise<void>
}

function startEcho({ within: [command = '', ...words] }: Place): Echo {
  const child = spawn(command, [...words, process.execPath, '--eval', echo], { stdio: ['ignore', 'pipe', 'inherit'] })
  let heard = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    heard += text
  })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  return {
    heard: () => heard,
    async end() {
      child.kill('SIGKILL')
      await ended
    },
  }
}

interface Line {
  socket: Socket
  heard(): string
  state(): string
}

function dial({ address }: Place): Line {
  const socket = connect(7, address)
  let heard = ''
  let state = 'waiting'
  socket.setEncoding('utf8').on('data', (text) => {
    heard += text
  })
  socket.on('connect', () => {
    state = 'open'
  })
  socket.on('error', ({ message }) => {
    state = message
  })
  lines.push(socket)
  return { socket, heard: () => heard, state: () => state }
}
const lines: Socket[] = []

test.before(async () => {
  if (why) return
  network = await within(20_000, openNetwork({ places: 2 }), 'the network')
  for (const place of network.places) echoes.push(startEcho(place))
  await until(() => echoes.every((one) => one.heard() === 'ready;'), 'the echoes')
})
test.after.each(async () => {
  for (const line of lines.splice(0)) line.destroy()
  for (const place of network?.places ?? []) await place.heal()
})
test.after(async () => {
  for (const one of echoes) await one.end()
  await network?.close()
})

/** The other place is reached several times meanwhile: what was not heard by then does not come. */
async function aMoment({ places }: Network) {
  for (let times = 0; times < 5; times++) {
    const other = dial(places[1] as Place)
    other.socket.write('still here;')
    await until(() => other.heard() === 'still here;', 'the other place')
  }
}

async function line(place: Place): Promise<Line> {
  const made = dial(place)
  made.socket.write('hello;')
  await until(() => made.heard() === 'hello;', 'the echo')
  return made
}

withNetwork('a cut drops in silence, and after it what was said arrives', async () => {
  const { places } = network as Network
  const [place] = places as [Place]
  const old = await line(place)
  await place.cut()
  old.socket.write('into the dark;')
  const late = dial(place)
  await aMoment(network as Network)
  assert.equal([old.heard(), old.state(), late.state()], ['hello;', 'open', 'waiting'])
  assert.not.match(echoes[0]?.heard() ?? '', /dark/)
  await place.heal()
  await until(() => old.heard() === 'hello;into the dark;' && late.state() === 'open', 'all that was held up', 20_000)
})

withNetwork('one way can be lost alone', async () => {
  const [place] = (network as Network).places as [Place]
  const old = await line(place)
  await place.oneWay('out')
  old.socket.write('a question;')
  await until(() => /a question;/.test(echoes[0]?.heard() ?? ''), 'the way in is open')
  await aMoment(network as Network)
  assert.is(old.heard(), 'hello;')
  await place.heal()
  await until(() => old.heard() === 'hello;a question;', 'the way out', 20_000)

  await place.oneWay('in')
  old.socket.write('another;')
  const late = dial(place)
  await aMoment(network as Network)
  assert.is(late.state(), 'waiting')
  assert.not.match(echoes[0]?.heard() ?? '', /another;/)
  await place.heal()
  await until(() => old.heard() === 'hello;a question;another;' && late.state() === 'open', 'the way in', 20_000)
})

withNetwork('the process behind the command is the one that was started', async () => {
  const [place] = (network as Network).places as [Place]
  const [command = '', ...words] = place.within
  const child = spawn(command, [...words, process.execPath, '--print', 'process.pid'], { stdio: ['ignore', 'pipe', 'inherit'] })
  let said = ''
  child.stdout.on('data', (bytes) => {
    said += bytes
  })
  await within(10_000, new Promise((resolve) => child.once('close', resolve)), 'its end')
  assert.is(Number(said), child.pid)
})

withNetwork('closed, nothing of it is left', async () => {
  const other = await openNetwork({ places: 1 })
  const [place] = other.places as [Place]
  const space = place.within.at(-1) as string
  const left = () => execFileSync('sh', ['-c', 'ip netns; ip -o link; ip -o addr'], { encoding: 'utf8' })
  assert.ok(left().includes(space) && left().includes(other.host))
  await other.close()
  assert.not(left().includes(space) || left().includes(other.host))
})

test.run()
