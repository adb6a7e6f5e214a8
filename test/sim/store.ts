/**
 * The store of a simulated world: the real schema and the real statements on the real embedded PostgreSQL, in this very thread so that
 * an answer takes no time, and the real driver in front of it. Only the cable between them is simulated: it is slow, it breaks
 * before or after a statement has happened, and a statement that nobody waits for any more may still arrive.
 */
import { Duplex } from 'node:stream'
import { PGlite } from '@electric-sql/pglite'
import { pg_trgm } from '@electric-sql/pglite/contrib/pg_trgm'
import { pgcrypto } from '@electric-sql/pglite/contrib/pgcrypto'
import { vector } from '@electric-sql/pglite-pgvector'
import type { Database } from '../../sql/database.ts'
import { connect } from '../../sql/database.pglite.ts'
import { demo, keepTenant } from '../../sql/tenants.ts'
import { Exchange, type Line } from '../../sql/wire.ts'
import { migratedArchive } from '../support/store.ts'
import type { Time } from './time.ts'

/** What becomes of a message on its way to the store. `late`: the sender sees a broken cable, and the message arrives all the same. */
export type Fate = 'ok' | 'before' | 'after' | 'late'

/** What one node's cables are like. */
export interface Weather {
  /** Milliseconds for one way. */
  delay(): number
  fate(): Fate
  /** Milliseconds by which a late message is late. */
  lateness(): number
  isAway(): boolean
  /** Hears of every message: `sent` before it leaves, `done` when it has happened and its answer has not arrived. */
  passed(stage: 'sent' | 'done'): void
}

export interface Cables {
  db: Database
  /** Every cable breaks now, as when a server or a network goes down. */
  tear(): void
  /** The process behind them is killed: it hears nothing any more, and what is on its way may or may not arrive. */
  abandon(arrives: () => boolean): void
}

export interface SimStore {
  cables(time: Time, weather: Weather): Cables
  /** Asks at once and outside of simulated time. */
  ask<Row>(query: string): Promise<Row[]>
  /** Forgets everything but the tenant. */
  reset(): Promise<void>
}

export async function openSimStore(): Promise<SimStore> {
  const archive = await migratedArchive()
  const pg = await PGlite.create({
    extensions: { vector, pg_trgm, pgcrypto },
    // Nothing here outlives the process, and a plan that follows statistics would make one seed depend on those before.
    postgresqlconf: ['shared_buffers=16MB', 'max_wal_size=64MB', 'fsync=off', 'full_page_writes=off', 'autovacuum=off'],
    loadDataDir: new Blob([archive as Uint8Array<ArrayBuffer>]),
  } as object)
  const backend = { run: async (messages: Uint8Array) => pg.execProtocolRawSync(messages) }
  const exchangeOf = () => new Exchange(backend, { idle: 5_000, busy: 60_000 })
  let exchange = exchangeOf()
  const sql = connect(() => exchange.connect(), 1)
  await keepTenant({ sql } as Database, demo)
  await sql.end()
  await new Promise((resolve) => setTimeout(resolve, 20)) // its last events draw from chance, which is soon taken over
  const tables = await pg.query<{ name: string }>(`
    select format('%I.%I', schemaname, tablename) as name from pg_tables
    where schemaname not in ('pg_catalog', 'information_schema') and tablename not in ('tenants', 'migrations', 'cluster', 'shards')
  `)
  const filled = tables.rows.map(({ name }) => `select '${name}' as name where exists (select from ${name})`).join(' union all ')

  return {
    ask: async <Row>(query: string) => (await pg.query<Row>(query)).rows,
    async reset() {
      // Whatever an ended world has left in the session would be found by the next one.
      exchange = exchangeOf()
      await pg.exec('rollback; deallocate all')
      // Each table that is truncated gets new files, which costs more than looking whether there is anything in it.
      const { rows } = await pg.query<{ name: string }>(filled)
      if (rows.length > 0) await pg.exec(`truncate ${rows.map(({ name }) => name).join(', ')} restart identity`)
    },
    cables(time, weather) {
      const open = new Set<Cable>()
      const cable = () => {
        const one = new Cable(exchange.connect(), time, weather, () => open.delete(one))
        open.add(one)
        return one
      }
      const sql = connect(cable, 4)
      return {
        db: { sql, kind: 'pglite', application: 'nexus', tidy: async () => {}, lost: new Promise(() => {}), close: async () => {} },
        tear: () => {
          for (const one of [...open]) one.tear()
        },
        abandon: (arrives) => {
          for (const one of [...open]) one.abandon(arrives())
        },
      }
    },
  }
}

const lost = () => Object.assign(new Error('the connection is gone'), { code: 'CONNECTION_CLOSED' })

/** One connection: bytes take their time in both directions and stay in order. */
class Cable extends Duplex {
  /** Read by postgres.js, which expects a net.Socket. */
  readyState: 'open' | 'closed' = 'open'
  readonly #line: Line
  readonly #weather: Weather
  readonly #gone: () => void
  readonly #there: ReturnType<Time['lane']>
  readonly #back: ReturnType<Time['lane']>
  #state: 'whole' | 'broken' | 'abandoned' = 'whole'
  readonly #underway = new Set<() => void>()
  #answerless = false

  constructor(line: Line, time: Time, weather: Weather, gone: () => void) {
    super({ allowHalfOpen: false })
    this.#line = line
    this.#there = time.lane()
    this.#back = time.lane()
    this.#weather = weather
    this.#gone = gone
    line.on('data', (bytes: Buffer) => this.#answer(Buffer.from(bytes)))
    line.on('error', () => {})
    line.on('close', () => this.tear())
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, written: () => void): void {
    written()
    if (this.#state !== 'whole') return
    this.#weather.passed('sent')
    if (this.#state !== 'whole') return // the process was killed at this very moment
    const fate = this.#weather.isAway() ? 'before' : this.#weather.fate()
    const bytes = Buffer.from(chunk)
    const wait = this.#weather.delay()
    if (fate === 'before') {
      this.#state = 'broken'
      this.#there(wait, () => this.#break())
    } else if (fate === 'late') {
      this.#state = 'broken'
      this.#there(wait, () => this.#notice())
      this.#there(wait + this.#weather.lateness(), () => this.#deliver(bytes, true))
    } else {
      if (fate === 'after') this.#answerless = true
      const takeBack = this.#there(wait, () => {
        this.#underway.delete(takeBack)
        this.#deliver(bytes, false)
      })
      this.#underway.add(takeBack)
    }
  }

  /** Once it has happened: what comes back from here on is for nobody when the cable is to break behind the statement. */
  #deliver(bytes: Buffer, then: boolean): void {
    if (!this.#line.destroyed) this.#line.write(bytes)
    if (then) this.#hangUp()
  }

  #answer(bytes: Buffer): void {
    if (this.#state === 'abandoned') return
    this.#weather.passed('done')
    if (this.#state !== 'whole') return
    if (this.#answerless) {
      this.#state = 'broken'
      this.#back(this.#weather.delay(), () => this.#break())
      return
    }
    this.#back(this.#weather.delay(), () => {
      if (this.#state === 'whole') this.push(bytes)
    })
  }

  tear(): void {
    if (this.#state !== 'whole') return
    this.#state = 'broken'
    this.#takeBack()
    this.#break()
  }

  abandon(arrives: boolean): void {
    if (this.#state === 'whole') {
      // What has left the process may still be read by the server before it sees the end.
      if (!arrives) this.#takeBack()
      this.#there(0, () => this.#hangUp())
    }
    this.#state = 'abandoned'
    this.#gone()
  }

  #takeBack(): void {
    for (const takeBack of this.#underway) takeBack()
    this.#underway.clear()
  }

  #break(): void {
    this.#hangUp()
    this.#notice()
  }

  #notice(): void {
    if (this.#state === 'abandoned') return
    this.readyState = 'closed'
    this.#gone()
    this.destroy(lost())
  }

  /** The server sees the end: an open transaction is undone. */
  #hangUp(): void {
    if (!this.#line.destroyed) this.#line.destroy()
  }

  override _final(done: () => void): void {
    done()
    this.readyState = 'closed'
    this.#gone()
    this.#line.end()
  }

  override _destroy(why: Error | null, done: (why: Error | null) => void): void {
    this.readyState = 'closed'
    this.#gone()
    done(why)
  }
}
