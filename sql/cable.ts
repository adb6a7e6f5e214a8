/** The socket to a PostgreSQL server, with the manners that postgres.js 3.4.9 needs to survive its loss. Given a bare
 *  one, a connection that ends inside a transaction stops the whole process, never comes back, or hands its error on to
 *  the next query (github.com/porsager/postgres, issues 1133, 1154, 1208). So a cable
 *    - tells of its end once: the reason and the close in the same instant, however the server or the network ended it;
 *    - sends nothing ahead of the start-up, neither what an earlier connection left nor the padding (database.options.ts). */
import { connect, isIP, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { connect as secure } from 'node:tls'
import { PADDING } from './database.options.ts'
import { afterLeftovers, complaint, messages, SSL_REQUEST } from './wire.messages.ts'

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

  constructor(address: Address) {
    super({ allowHalfOpen: false })
    this.#address = address
  }

  /** Read by postgres.js, which expects a net.Socket. */
  get readyState(): 'open' | 'closed' {
    return this.destroyed || this.writableEnded ? 'closed' : 'open'
  }

  override _construct(done: (why?: Error | null) => void): void {
    plug(this.#address).then((socket) => {
      this.#socket = socket
      socket.on('data', (bytes: Buffer) => this.#hear(bytes))
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
    if (bytes.length === 0 || this.#socket!.write(bytes)) written()
    else this.#socket!.once('drain', written)
  }

  override _final(done: () => void): void {
    this.#finished = true
    this.#socket!.end(done)
  }

  override _destroy(why: Error | null, done: (why: Error | null) => void): void {
    this.#socket?.destroy()
    done(why)
  }

  #start(chunk: Buffer): Buffer {
    const bytes = afterLeftovers(chunk)
    if (bytes.length < 8) return bytes
    this.#started = true
    this.#finished = bytes.readInt32BE(4) === CANCEL // the server answers one by hanging up
    return withoutPadding(bytes)
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
