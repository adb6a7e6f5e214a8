/** The line between postgres.js and the embedded PostgreSQL: for postgres.js a socket, for PostgreSQL one of many
 *  callers of its single session. Several lines share the session by turns, so that neither statements nor
 *  transactions of two lines ever mix. */
import { Duplex } from 'node:stream'
import { afterLeftovers, closing, failure, messages, nameOf, ready, rollback, sync, welcome } from './wire.messages.ts'
import { Turns, type Patience } from './wire.turns.ts'

/** One session of PostgreSQL: takes whole messages, gives the bytes of the answer. */
export interface Backend {
  run(messages: Uint8Array): Promise<Uint8Array>
}

const SSL = 80877103
const CANCEL = 80877102

/** The session that the lines share. */
export class Exchange {
  readonly turns: Turns
  readonly #backend: Backend
  readonly #lines = new Set<Line>()

  constructor(backend: Backend, patience: Patience) {
    this.#backend = backend
    this.turns = new Turns(patience)
  }

  connect(): Line {
    const line = new Line(this)
    this.#lines.add(line)
    return line
  }

  async run(batch: Uint8Array): Promise<Buffer> {
    const answer = await this.turns.during(this.#backend.run(batch))
    return Buffer.from(answer.buffer, answer.byteOffset, answer.byteLength)
  }

  /** LISTEN belongs to the session, so everybody hears; postgres.js ignores it where nobody listens. */
  notify(notification: Buffer): void {
    for (const line of this.#lines) line.hear(notification)
  }

  forget(line: Line): void {
    this.#lines.delete(line)
    this.turns.leave(line)
  }

  /** Ends every line with the reason; for when the session itself is lost. */
  fail(why: Error): void {
    for (const line of this.#lines) line.destroy(why)
  }
}

export class Line extends Duplex {
  /** Read by postgres.js, which expects a net.Socket. */
  readyState: 'open' | 'closed' = 'open'
  readonly #exchange: Exchange
  readonly #statements = new Set<string>()
  #inbox: Buffer = Buffer.alloc(0)
  #greeted = false
  #status = 'I'
  /** Whether PostgreSQL has had the Sync of what we asked last. */
  #settled = true
  /** Refused in the middle of a query: what follows is dropped until its Sync. */
  #skipping = false
  #pumping: Promise<void> | undefined
  #ended: Promise<void> | undefined

  constructor(exchange: Exchange) {
    super({ allowHalfOpen: false })
    this.#exchange = exchange
  }

  hear(notification: Buffer): void {
    if (this.#greeted && !this.#ended) this.push(notification)
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, written: () => void): void {
    this.#inbox = this.#inbox.length ? Buffer.concat([this.#inbox, chunk]) : chunk
    written()
    // Never an answer inside write(): postgres.js would forget the chunk that it has ready to send.
    queueMicrotask(() => this.#wake())
  }

  override _final(done: () => void): void {
    done()
    this.#hangUp()
  }

  override _destroy(why: Error | null, done: (why: Error | null) => void): void {
    void this.#end().finally(() => done(why))
  }

  #wake(): void {
    if (this.#pumping || this.#ended) return
    this.#pumping = this.#pump()
      .catch((why) => void this.destroy(why instanceof Error ? why : new Error(String(why))))
      .finally(() => {
        this.#pumping = undefined
      })
  }

  async #pump(): Promise<void> {
    while (!this.#ended) {
      if (!this.#greeted) {
        if (!this.#greet()) return
        continue
      }
      const turn = this.#nextTurn()
      if (turn.batch.length) await this.#run(turn.batch, turn.complete)
      if (turn.goodbye) return this.#hangUp()
      if (!turn.batch.length) return
    }
  }

  /** The start-up is answered here: the session behind us has long been started. */
  #greet(): boolean {
    this.#inbox = afterLeftovers(this.#inbox)
    if (this.#inbox.length < 8 || this.#inbox.length < this.#inbox.readInt32BE(0)) return false
    const code = this.#inbox.readInt32BE(4)
    this.#inbox = this.#inbox.subarray(this.#inbox.readInt32BE(0))
    if (code === SSL) {
      this.push('N')
    } else if (code === CANCEL) {
      this.#hangUp() // PGlite cannot interrupt a query
    } else {
      this.#greeted = true
      this.push(welcome)
    }
    return true
  }

  /** Up to the first Sync or Query, which ends a turn and lets the others in. */
  #nextTurn(): { batch: Buffer; complete: boolean; goodbye: boolean } {
    const inbox = this.#inbox
    let end = 0
    let complete = false
    let goodbye = false
    for (const one of messages(inbox)) {
      if (one.kind === 'X') {
        goodbye = true
        break
      }
      if (one.kind === 'P') this.#statements.add(nameOf(inbox, one))
      end = one.end
      complete = one.kind === 'S' || one.kind === 'Q'
      if (complete) break
    }
    this.#inbox = inbox.subarray(end)
    return { batch: inbox.subarray(0, end), complete, goodbye }
  }

  async #run(batch: Buffer, complete: boolean): Promise<void> {
    if (this.#skipping) {
      if (complete) this.#skip()
      return
    }
    try {
      await this.#exchange.turns.take(this)
    } catch (why) {
      if (this.#ended) return
      this.push(failure('55P03', why instanceof Error ? why.message : String(why)))
      this.#skipping = true
      if (complete) this.#skip()
      return
    }
    this.#settled = complete
    this.#answer(await this.#exchange.run(batch))
    if (complete && this.#status === 'I') this.#exchange.turns.leave(this)
  }

  #skip(): void {
    this.#skipping = false
    this.push(ready('I'))
  }

  #answer(bytes: Buffer): void {
    let from = 0
    for (const one of messages(bytes)) {
      if (one.kind === 'Z') this.#status = String.fromCharCode(bytes[one.end - 1]!)
      if (one.kind !== 'A') continue
      if (one.start > from) this.push(bytes.subarray(from, one.start))
      this.#exchange.notify(bytes.subarray(one.start, one.end))
      from = one.end
    }
    if (from < bytes.length && !this.#ended) this.push(from ? bytes.subarray(from) : bytes)
  }

  /** What a lost connection means to a server: its transaction is undone and its statements are gone. */
  #end(): Promise<void> {
    this.readyState = 'closed'
    this.#ended ??= (async () => {
      this.#exchange.turns.giveUp(this)
      await this.#pumping
      try {
        const open = this.#status === 'I' ? [] : [rollback]
        const leftovers = [...this.#statements].filter(Boolean).map(closing)
        if (!this.#settled || open.length + leftovers.length) {
          await this.#exchange.turns.take(this)
          await this.#exchange.run(Buffer.concat([sync, ...open, ...leftovers, sync]))
        }
      } catch {
        // The session is lost or too busy. Lost: nothing is left to undo. Busy: we hold no transaction,
        // or we would have had the session; a forgotten statement only costs its memory.
      } finally {
        this.#exchange.forget(this)
      }
    })()
    return this.#ended
  }

  #hangUp(): void {
    void this.#end().then(() => {
      if (this.destroyed) return
      this.push(null)
      this.destroy()
    })
  }
}
