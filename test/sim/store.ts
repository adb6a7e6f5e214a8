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
import { SHARDS } from './homes.ts'
import { START, type Time } from './time.ts'

/** What becomes of a message on its way to the store. `late`: the sender sees a broken cable, and the message arrives all the same. */
export type Fate = 'ok' | 'before' | 'after' | 'late'

/** What one node's cables are like. */
export interface Weather {
  /** Milliseconds for one way. */
  delay(): number
  /** Milliseconds more for a statement in no transaction, as behind a lock that others hold; one within would keep the one session. */
  slowness?(): number
  fate(): Fate
  /** Milliseconds by which a late message is late. */
  lateness(): number
  isAway(): boolean
  /** Hears of every message: `sent` before it leaves, `done` when it has happened and its answer has not arrived. */
  passed(stage: 'sent' | 'done'): void
  /** What comes back reaches the process now, or when it goes on again. */
  reach?(go: () => void): void
  /** Whoever asks stands still or is cut off: it can end no transaction. */
  isStill?(): boolean
}

export interface Cables {
  db: Database
  /** Calls when one of them has ended and whoever used it sees it. One listener. */
  lost(hear: () => void): void
  /** Calls when the server has seen the last of them end. One listener. */
  closed(hear: () => void): void
  /** Whether the server knows of any. */
  areOpen(): boolean
  /** Undoes what is begun and cannot be ended now: it would keep the one session from all others, as no server would let it. */
  undo(): void
  /** Every cable breaks now, as when a server or a network goes down. */
  tear(): void
  /** The process behind them is killed: it hears nothing any more, and what is on its way may or may not arrive. */
  abandon(arrives: () => boolean): void
}

export interface SimStore {
  /** The server sees connections of this application. */
  cables(time: Time, weather: Weather, application?: string, most?: number): Cables
  /** Asks at once and outside of simulated time. */
  ask<Row>(query: string): Promise<Row[]>
  /** Forgets everything but the tenant; for a fleet the epochs as well, and the store watches who writes. */
  reset(isFleet?: boolean): Promise<void>
}

export async function openSimStore(): Promise<SimStore> {
  const archive = await migratedArchive()
  const now = Date.now
  // PostgreSQL asks JavaScript for the time, and remembers when it began.
  Date.now = () => START - DAY
  const pg = await PGlite.create({
    extensions: { vector, pg_trgm, pgcrypto },
    postgresqlconf: [
      // Nothing here outlives the process.
      ...['shared_buffers=16MB', 'max_wal_size=64MB', 'fsync=off', 'full_page_writes=off'],
      // A plan that follows statistics, or how often it was asked for, would make one seed depend on those before.
      ...['autovacuum=off', 'plan_cache_mode=force_generic_plan'],
    ],
    loadDataDir: new Blob([archive as Uint8Array<ArrayBuffer>]),
  } as object).finally(() => {
    Date.now = now
  })
  const files = pg.Module.FS
  files.mkdir(CONNECTIONS)
  await pg.exec(`delete from shards where shard >= ${SHARDS}; update cluster set shards = ${SHARDS}`)
  await pg.exec(guards)
  await pg.exec(await onlyConnections(pg))
  /** Connections that the server has, by application. */
  let connections = new Map<string, number>()
  function count(application: string, by: number, among: Map<string, number>) {
    const many = (among.get(application) ?? 0) + by
    among.set(application, many)
    if (among !== connections) return // of a world that is over
    if (many === 1 && by > 0) files.writeFile(`${CONNECTIONS}/${application}`, '')
    else if (many === 0) files.unlink(`${CONNECTIONS}/${application}`)
  }
  const backend = { run: async (messages: Uint8Array) => pg.execProtocolRawSync(messages) }
  const exchangeOf = (idle = 5_000) => new Exchange(backend, { idle, busy: 60_000 })
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
  const counters = await pg.query<{ name: string }>(`select format('%I.%I', schemaname, sequencename) as name from pg_sequences`)
  const recount = counters.rows.map(({ name }) => `setval('${name}', 1, false)`).join(', ')

  return {
    ask: async <Row>(query: string) => (await pg.query<Row>(query)).rows,
    async reset(isFleet = false) {
      // Whatever an ended world has left in the session would be found by the next one.
      exchange = exchangeOf(isFleet ? 1_500 : 5_000)
      for (const [application, many] of connections) if (many > 0) files.unlink(`${CONNECTIONS}/${application}`)
      connections = new Map()
      await pg.exec(`rollback; deallocate all; set sim.fleet = 'off'`)
      // Lives have the same names in every world, and a short story shows the same whatever was told before it.
      if (isFleet)
        await pg.exec(
          `update shards set life = 'gone', node = null, machines = '{}', epoch = 0
           where life is distinct from 'gone' or machines <> '{}' or epoch > 0;
           set sim.fleet = 'on'`,
        )
      // A table that is truncated gets new files, and every plan that reads it is made anew: a sixth of what a world costs.
      const { rows } = await pg.query<{ name: string }>(filled)
      await pg.exec(`${rows.map(({ name }) => `delete from ${name}; `).join('')}select ${recount}`)
    },
    cables(time, weather, application = 'nexus', most = 4) {
      const open = new Set<Cable>()
      const among = connections
      let lines = 0
      let hear = () => {}
      let hearClosed = () => {}
      const cable = () => {
        const line = exchange.connect()
        lines++
        count(application, 1, among)
        line.once('close', () => {
          lines--
          count(application, -1, among)
          if (lines === 0) hearClosed()
        })
        const one = new Cable(line, time, weather, () => open.delete(one))
        one.once('close', () => queueMicrotask(() => hear())) // behind whoever uses it
        open.add(one)
        return one
      }
      const sql = connect(cable, most)
      return {
        lost: (listener) => void (hear = listener),
        closed: (listener) => void (hearClosed = listener),
        areOpen: () => lines > 0,
        db: {
          sql,
          kind: 'pglite',
          application,
          isPooled: false,
          unhurried: () => ({ sql, close: async () => {} }),
          tidy: async () => {},
          lost: new Promise(() => {}),
          close: async () => {},
        },
        undo: () => {
          for (const one of [...open]) one.undo()
        },
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

const DAY = 86_400_000
/** ReadyForQuery, and the status outside of any transaction. */
const READY = 'Z'.charCodeAt(0)
const IDLE = 'I'.charCodeAt(0)
const CONNECTIONS = '/connections'

/**
 * What the store itself sees of breaches, at the very moment of a statement: who writes owns the shard then, and epochs grow. Kept in a
 * table, so that a statement that came to nothing has broken nothing.
 */
const guards = `
  create table breaches (sentence text);
  create view connections as select f as application_name, current_database() as datname from pg_ls_dir('${CONNECTIONS}') f;

  create function guard_journal() returns trigger language plpgsql security definer set search_path = public as $$
  declare
    owner record;
  begin
    select h.node, h.epoch as reached, a.epoch, a.shard into owner
    from actors a join shards h on h.shard = a.shard where a.tenant_id = new.tenant_id and a.id = new.actor;
    if owner.node is distinct from new.node or owner.epoch <> owner.reached then
      insert into breaches values (format('I4 single writer: step %s was committed by %s under epoch %s of its shard, whose owner is %s under %s',
        new.version, new.node, owner.epoch, coalesce(owner.node, 'nobody'), owner.reached));
    end if;
    return null;
  end $$;
  create trigger guard after insert on journal for each row when (current_setting('sim.fleet', true) = 'on') execute function guard_journal();

  create function guard_effects() returns trigger language plpgsql security definer set search_path = public as $$
  declare
    owner text;
  begin
    select h.life into owner from actors a join shards h on h.shard = a.shard where a.tenant_id = new.tenant_id and a.id = new.actor;
    -- A shard that its owner has left is nobody's, and until somebody takes it under the next epoch what that one sent before may arrive.
    if owner <> new.claim_life then
      insert into breaches values (format('I4 single writer: work was begun by %s for an actor of %s', new.claim_life, owner));
    end if;
    return null;
  end $$;
  create trigger guard after insert on effects for each row when (current_setting('sim.fleet', true) = 'on') execute function guard_effects();
  create trigger guard_again after update of claim_life on effects for each row
    when (current_setting('sim.fleet', true) = 'on' and new.claim_life is not null) execute function guard_effects();

  create function guard_epochs() returns trigger language plpgsql security definer set search_path = public as $$
  begin
    insert into breaches values (format('I4 single writer: an epoch went from %s to %s', old.epoch, new.epoch));
    return null;
  end $$;
  create trigger guard after update of epoch on actors for each row when (new.epoch < old.epoch) execute function guard_epochs();
  create trigger guard after update of epoch, life on shards for each row
    when (current_setting('sim.fleet', true) = 'on' and (new.epoch < old.epoch
      or (new.epoch = old.epoch and new.life is not null and new.life is distinct from old.life and new.life <> 'gone')))
    execute function guard_epochs();
`

/** The embedded PostgreSQL has one session, whatever comes in by it: whose connections there are is said by files. */
async function onlyConnections(pg: PGlite): Promise<string> {
  const { rows } = await pg.query<{ text: string }>(`select pg_get_functiondef('bury_node'::regproc) as text`)
  const text = rows[0]?.text ?? ''
  if (text.split('pg_stat_activity').length !== 2) throw new Error('bury_node does not look for connections any more')
  return text.replace('pg_stat_activity', 'connections')
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
  #isInside = false

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
    const wait = this.#weather.delay() + (this.#isInside ? 0 : (this.#weather.slowness?.() ?? 0))
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
    // In a transaction, or in a query of which there is more to come.
    this.#isInside = bytes[bytes.length - 6] !== READY || bytes[bytes.length - 1] !== IDLE
    if (this.#state !== 'whole') return
    if (this.#weather.isStill?.() && this.#isInside) return this.undo()
    if (this.#answerless) {
      this.#state = 'broken'
      this.#back(this.#weather.delay(), () => this.#break())
      return
    }
    this.#back(this.#weather.delay(), () =>
      this.#reach(() => {
        if (this.#state === 'whole') this.push(bytes)
      }),
    )
  }

  undo(): void {
    if (!this.#isInside) return
    this.#isInside = false
    this.tear()
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
    this.#reach(() => {
      if (this.#state === 'abandoned') return
      this.readyState = 'closed'
      this.#gone()
      this.destroy(lost())
    })
  }

  #reach(go: () => void): void {
    if (this.#weather.reach) this.#weather.reach(go)
    else go()
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
