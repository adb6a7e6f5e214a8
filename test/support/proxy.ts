/**
 * A line of TCP that can be broken while traffic flows: in front of PostgreSQL, Redis or a model, or between a client and a node.
 * Unlike a network it accepts at once: whoever dials into a black hole is connected, hears nothing, and reaches the server when it heals.
 */
import { Socket, createServer } from 'node:net'
import { type Pipe, createPipe } from './proxy.pipe.ts'
import { random } from './random.ts'
import { type Toxic, type Toxics, type Way, toxics } from './toxic.ts'

export type { Toxic, Way } from './toxic.ts'

export interface Proxy {
  host: string
  port: number
  /** The same url, by way of this proxy. */
  at(url: string): string
  /** From now on, for what is open and what is opened later. A toxic of the same type is replaced. */
  set(toxic: Toxic, way?: Way | 'both'): void
  /** Heals it of one type, or of everything. */
  clear(type?: Toxic['type'], way?: Way | 'both'): void
  /** Ends every open connection with RST, and nothing else. */
  reset(): void
  /** Whoever comes from now on is led there. */
  lead(to: Target): void
  /** Connections that are open at one end at least. */
  connections(): number
  /** Bytes that came through, and bytes that got lost; all connections together. */
  passed(): Record<Way, number>
  lost(): Record<Way, number>
  close(): Promise<void>
}

interface Target {
  host: string
  port: number
}

interface Needs {
  to: Target
  /** Where it listens; 127.0.0.1 unless told. */
  host?: string
  /** Of its chance; each connection draws from its own. */
  seed?: number
}

/** One connection, both ways. */
interface Link {
  pump(): void
  reset(): void
  count(what: Counted, way: Way): number
}

type Counted = 'passed' | 'lost'

const ways = ['up', 'down'] as const
const waysOf = (way: Way | 'both'): readonly Way[] => (way === 'both' ? ways : [way])

export async function openProxy({ to: first, host = '127.0.0.1', seed = 1 }: Needs): Promise<Proxy> {
  const manners: Record<Way, Toxics> = { up: toxics(), down: toxics() }
  const links = new Set<Link>()
  /** Of connections that are over. */
  const gone = { passed: { up: 0, down: 0 }, lost: { up: 0, down: 0 } }
  let number = 0
  let to = first
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    number++
    const link = join(client, { to, manners, seed: seed + number * 7_919, over })
    links.add(link)
    link.pump()
    function over() {
      if (!links.delete(link)) return
      for (const way of ways) for (const what of ['passed', 'lost'] as const) gone[what][way] += link.count(what, way)
    }
  })
  const count = (what: Counted) => {
    const sum = (way: Way) => [...links].reduce((all, link) => all + link.count(what, way), gone[what][way])
    return { up: sum('up'), down: sum('down') }
  }
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, host, resolve)
  })
  const { port } = server.address() as { port: number }
  const pump = () => {
    for (const link of [...links]) link.pump()
  }
  return {
    host,
    port,
    at(url) {
      const own = new URL(url)
      own.hostname = host
      own.port = String(port)
      return own.href
    },
    set(toxic, way = 'both') {
      for (const one of waysOf(way)) manners[one].put(toxic)
      pump()
    },
    clear(type, way = 'both') {
      for (const one of waysOf(way)) manners[one].remove(type)
      pump()
    },
    reset() {
      for (const link of [...links]) link.reset()
    },
    lead(next) {
      to = next
    },
    connections: () => links.size,
    passed: () => count('passed'),
    lost: () => count('lost'),
    close() {
      for (const link of [...links]) link.reset()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}

interface Ends {
  to: Target
  manners: Record<Way, Toxics>
  seed: number
  /** Both ends are closed. */
  over(): void
}

/** Toxics that let nothing through, so that nobody can be reached either. */
const holes = ['timeout', 'drop'] as const
/** Toxics under which a connection may well be broken without anybody being told. */
const silencing = [...holes, 'half_close', 'reset_peer'] as const

function join(client: Socket, { to, manners, seed, over }: Ends): Link {
  const server = new Socket({ allowHalfOpen: true })
  const sockets = { up: server, down: client }
  let isDialled = false
  let isThere = false
  /** An end is gone with an error that the other has not been told. */
  const failed: Record<Way, boolean> = { up: false, down: false }

  const reset = () => {
    for (const way of ways) {
      pipes[way].close()
      abort(sockets[way])
    }
  }
  const cut = () => {
    for (const way of ways) {
      pipes[way].close()
      sockets[way].destroySoon() // FIN, behind what was written
    }
  }
  const pipe = (way: Way): Pipe =>
    createPipe({
      from: sockets[way === 'up' ? 'down' : 'up'],
      to: sockets[way],
      toxics: manners[way],
      chance: random(way === 'up' ? seed : seed + 1),
      isWaiting: () => !isThere,
      cut,
      reset: () => abort(sockets[way]),
    })
  const pipes: Record<Way, Pipe> = { up: pipe('up'), down: pipe('down') }
  const has = (way: Way, types: readonly Toxic['type'][]) => types.some((type) => manners[way].has(type))
  const isSilent = (way: Way) => has(way, silencing)

  function dial() {
    isDialled = true
    server.setNoDelay(true)
    server.connect(to.port, to.host, () => {
      isThere = true
      pump()
    })
  }

  function pump() {
    if (!isDialled && !ways.some((way) => has(way, holes))) dial()
    if (ways.some((way) => !isSilent(way) && (failed[way] || pipes[way].isBroken()))) return reset()
    for (const way of ways) pipes[way].pump()
  }

  for (const way of ways) {
    const from = sockets[way === 'up' ? 'down' : 'up']
    from.on('error', () => {}) // its close says the same
    from.on('close', (hadError) => {
      failed[way] ||= hadError
      if (client.destroyed && server.destroyed) {
        for (const one of ways) pipes[one].close()
        over()
      } else pump()
    })
  }
  return { pump, reset, count: (what, way) => pipes[way].count[what] }
}

/** RST; while a FIN is on its way out libuv refuses that and Node would keep the socket for ever, so there a plain close. */
function abort(socket: Socket) {
  if (socket.writableEnded && !socket.writableFinished) socket.destroy()
  else socket.resetAndDestroy()
}
