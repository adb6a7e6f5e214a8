/** Whose turn it is. An embedded PostgreSQL is one session, so a connection has it to itself from its first message
 *  until it is outside of any transaction again; the others stand in line. */

/** How long to stand in line before giving up, in milliseconds. */
export interface Patience {
  /** While the holder keeps a transaction open and asks nothing: nearly always a query outside of `sql.begin`'s handle. */
  idle: number
  /** While the holder's queries run: PGlite cannot cancel a query, so those behind it must be able to turn away. */
  busy: number
}

interface Waiter {
  who: object
  since: number
  go(): void
  giveUp(why: Error): void
  timer: NodeJS.Timeout
}

export class Turns {
  readonly #patience: Patience
  readonly #line: Waiter[] = []
  #holder: object | undefined
  #working = false
  #changed = 0

  constructor(patience: Patience) {
    this.#patience = patience
  }

  /** Resolves when `who` has the session. Having it already is fine. */
  async take(who: object): Promise<void> {
    if (this.#holder === who) return
    if (!this.#holder) return this.#give(who)
    await new Promise<void>((go, giveUp) => {
      const timer = setTimeout(() => this.#reconsider(waiter), this.#patience.idle).unref()
      const waiter: Waiter = { who, since: performance.now(), go, giveUp, timer }
      this.#line.push(waiter)
    })
  }

  /** Runs a piece of work of the holder; while it runs, the holder is not idle. */
  async during<T>(work: Promise<T>): Promise<T> {
    this.#working = true
    try {
      return await work
    } finally {
      this.#working = false
      this.#changed = performance.now()
    }
  }

  /** Stands in line no longer. */
  giveUp(who: object): void {
    const at = this.#line.findIndex((waiter) => waiter.who === who)
    if (at >= 0) this.#take(at).giveUp(new Error('the connection was closed while it waited for its turn'))
  }

  /** Hands the session on to the next in line. */
  leave(who: object): void {
    if (this.#holder !== who) return
    this.#holder = undefined
    if (!this.#line.length) return
    const next = this.#take(0)
    this.#give(next.who)
    next.go()
  }

  #give(who: object): void {
    this.#holder = who
    this.#changed = performance.now()
  }

  #take(at: number): Waiter {
    const [waiter] = this.#line.splice(at, 1)
    clearTimeout(waiter!.timer)
    return waiter!
  }

  #reconsider(waiter: Waiter): void {
    const { idle, busy } = this.#patience
    const now = performance.now()
    const waited = now - waiter.since
    const spent = this.#working ? waited - busy : Math.max(waited - busy, now - this.#changed - idle)
    // A timer may be a millisecond early; asking again in a moment costs nothing.
    if (spent < -1) {
      waiter.timer = setTimeout(() => this.#reconsider(waiter), Math.min(idle, -spent)).unref()
      return
    }
    this.#take(this.#line.indexOf(waiter)).giveUp(
      new Error(
        this.#working
          ? `the embedded database has been busy for ${seconds(waited)}; this query gave up waiting`
          : `another transaction has kept the embedded database for ${seconds(waited)} without asking anything: ` +
              'inside sql.begin use only the handle that it gives',
      ),
    )
  }
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`
