/** The socket to a PostgreSQL server, with the manners that postgres.js 3.4.9 needs to survive its loss. Given a bare
 *  one, a connection that ends inside a transaction stops the whole process, never comes back, or hands its error on to
 *  the next query (github.com/porsager/postgres, issues 1133, 1154, 1208). So a cable
 *    - tells of its end once: the reason and the close in the same instant, however the server or the network ended it;
 *    - sends nothing ahead of the start-up, neither what an earlier connection left nor the padding (database.options.ts);
 *    - gives a server up that owes an answer and says nothing: postgres.js waits for ever, and TCP for a quarter of an hour. */
import { connect, isIP, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { connect as secure } from 'node:tls'
import { PADDING } from './database.options.ts'
import { afterLeftovers, complaint, messages, SSL_REQUEST } from './wire.messages.ts'
import { createOwed, type Owed } from './wire.owed.ts'

export interface Address {
  host: string[]
  port: number[]
  /** A socket of Unix, instead of host and port. */
  path?: string | false
  /** Undefined: not encrypted. */
  tls: Encryption | undefined
}

export interface Encryption {
  /** Whether the certificate must be one that we trust. */
  rejectUnauthorized: boolean
  /** Without encryption if the server knows none. */
  optional: boolean
}

const PATIENCE = 10_000 // milliseconds until a server that does not answer counts as unreachable
const CANCEL = 80877102
const LOOK = 1_000 // milliseconds between two looks whether an answer is owed for too long

export class Cable extends Duplex {
  readonly #address: Address
  #socket: Socket | undefined
  #started = false
  /** Nobody asked anything of it that its end would leave open. */
  #finished = false
  #held: Buffer = Buffer.alloc(0)
  /** Bytes still to come of a message that is already on its way through. */
  #passing = 0
  #last: Error | undefined
  readonly #patience: number
  #owed: Owed | undefined
  #looks: NodeJS.Timeout | undefined

  /** `patience`: milliseconds that a server may be silent while it owes an answer. */
  constructor(address: Address, patience = Number.POSITIVE_INFINITY) {
    super({ allowHalfOpen: false })
    this.#address = address
    this.#patience = patience
  }

  /** Read by postgres.js, which expects a net.Socket. */
  get readyState(): 'open' | 'closed' {
    return this.destroyed || this.writableEnded ? 'closed' : 'open'
  }

  override _construct(done: (why?: Error | null) => void): void {
    plug(this.#address).then((socket) => {
      this.#socket = socket
      socket.on('data', (bytes: Buffer) => {
        this.#owed?.hear(bytes)
        this.#hear(bytes)
      })
      socket.on('error', (why) => {
        this.#last ??= why
      })
      socket.on('close', () => this.destroy(this.#finished ? undefined : (this.#last ?? lost('the server closed the connection'))))
      done()
    }, done)
  }

  override _read(): void {
    this.#socket?.resume()
  }

  override _write(chunk: Buffer, _encoding: string, written: () => void): void {
    const bytes = this.#started ? chunk : this.#start(chunk)
    if (bytes === chunk) this.#owed?.ask(bytes)
    if (bytes.length === 0 || this.#socket!.write(bytes)) written()
    else this.#socket!.once('drain', written)
  }

  override _final(done: () => void): void {
    this.#finished = true
    this.#socket!.end(done)
  }

  override _destroy(why: Error | null, done: (why: Error | null) => void): void {
    clearInterval(this.#looks)
    this.#socket?.destroy()
    done(why)
  }

  #start(chunk: Buffer): Buffer {
    const bytes = afterLeftovers(chunk)
    if (bytes.length < 8) return bytes
    this.#started = true
    this.#finished = bytes.readInt32BE(4) === CANCEL // the server answers one by hanging up
    if (!this.#finished && this.#patience < Number.POSITIVE_INFINITY) this.#watch()
    return withoutPadding(bytes)
  }

  #watch() {
    this.#owed = createOwed(() => performance.now())
    let looked = performance.now()
    this.#looks = setInterval(() => {
      // Whoever stood still himself has not read what may be there by now.
      const wasAway = performance.now() - looked > 3 * LOOK
      looked = performance.now()
      if (wasAway || this.#owed!.silence() <= this.#patience) return
      this.#last = lost(`the server has not answered for ${Math.round(this.#patience / 1_000)} s`)
      this.#socket!.destroy()
    }, LOOK)
    this.#looks.unref()
  }

  /** Passes everything on but the server's last words, which become the reason of the end. */
  #hear(chunk: Buffer): void {
    const bytes = this.#held.length ? Buffer.concat([this.#held, chunk]) : chunk
    let at = Math.min(this.#passing, bytes.length)
    this.#passing -= at
    let from = 0
    for (;;) {
      if (bytes.length - at < 5) break
      const end = at + 1 + bytes.readInt32BE(at + 1)
      if (bytes[at] === ERROR) {
        if (end > bytes.length) break
        const [one] = messages(bytes.subarray(at, end))
        const { severity, code, sentence } = complaint(bytes.subarray(at, end), one!)
        if (severity === 'FATAL' || severity === 'PANIC') {
          this.#pass(bytes.subarray(from, at))
          this.#last = lost(sentence, code)
          from = end
        }
      }
      at = Math.min(end, bytes.length)
      this.#passing = end - at
    }
    this.#pass(bytes.subarray(from, at))
    this.#held = Buffer.from(bytes.subarray(at))
  }

  #pass(bytes: Buffer): void {
    if (bytes.length && !this.push(bytes)) this.#socket!.pause()
  }
}

const ERROR = 'E'.charCodeAt(0)

const lost = (sentence: string, code = 'CONNECTION_CLOSED') => Object.assign(new Error(sentence), { code })

/** A connected socket to the first address that answers. */
async function plug({ host, port, path, tls }: Address): Promise<Socket> {
  if (path) return reach(connect({ path }), 'connect')
  let reason: unknown
  for (const [at, name] of host.entries()) {
    try {
      const socket = await reach(connect({ host: name, port: port[at] ?? port[0]! }), 'connect')
      return tls ? await encrypt(socket, name, tls) : socket
    } catch (why) {
      reason = why
    }
  }
  throw reason
}

async function encrypt(socket: Socket, host: string, { rejectUnauthorized, optional }: Encryption): Promise<Socket> {
  socket.write(SSL_REQUEST)
  const answer = await new Promise<Buffer>((resolve, reject) => {
    socket.once('data', resolve)
    socket.once('close', () => reject(lost('the server closed the connection instead of encrypting it')))
  })
  if (answer.toString('latin1') !== 'S') {
    if (optional) return socket
    socket.destroy()
    throw lost('the server does not encrypt, and the url demands it')
  }
  return reach(secure({ socket, rejectUnauthorized, host, servername: isIP(host) ? '' : host }), 'secureConnect')
}

/** The socket, once it is there. */
const reach = (socket: Socket, event: 'connect' | 'secureConnect'): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const late = setTimeout(() => socket.destroy(lost('the server does not answer', 'CONNECT_TIMEOUT')), PATIENCE)
    socket.once('error', reject)
    socket.once('close', () => clearTimeout(late))
    socket.once(event, () => {
      clearTimeout(late)
      socket.off('error', reject)
      socket.setKeepAlive(true, 60_000)
      socket.setNoDelay(true)
      resolve(socket)
    })
  })

function withoutPadding(startup: Buffer): Buffer {
  const from = startup.indexOf(`${PADDING}\0`)
  if (from < 0) return startup
  const to = startup.indexOf(0, from + PADDING.length + 1) + 1
  const short = Buffer.concat([startup.subarray(0, from), startup.subarray(to)])
  short.writeInt32BE(startup.readInt32BE(0) - (to - from), 0)
  return short
}
