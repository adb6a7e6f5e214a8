/** A database with many conversations at rest, for the benchmarks that commit steps. */
import { tenant } from '../support/heart.ts'
import { demo, keepTenant } from '../../sql/tenants.ts'
import type { Database } from '../../sql/database.ts'
import type { StepRow } from '../../sql/steps.ts'
import type { Opened } from '../support/postgres.ts'
import { variantAt } from '../support/postgres.ts'
import { freshStore } from '../support/store.ts'

export { tenant }

/** What a step in the middle of a turn carries: sizes and rows are those of a real one. */
export const sample = {
  tree: {
    v: 5,
    seq: 7,
    actors: {
      root: {
        status: 'active',
        value: { automated: { answering: 'working' } },
        historyValue: {},
        context: { note: 'x'.repeat(820) },
        born: '1:0',
      },
    },
    timers: {},
  },
  envelope: { to: 'root', event: { type: 'message.received', message: { id: 'm1', text: 'why is the sky blue?' } } },
  input: { turn: 't2', messages: ['m1'], text: 'why is the sky blue?' },
  payload: { turn: 't2', tier: 'director', intent: 'question', difficulty: 'hard' },
}

export async function openGround(url: string | undefined, conversations: number): Promise<Opened & { url: string | undefined }> {
  const store = await freshStore(variantAt(url))
  await keepTenant(store.db, demo)
  await populate(store.db, 'rest', conversations)
  await inItsTime(store.db, ({ sql }) => sql`vacuum (analyze)`) // now, and not while something is measured
  if (!url) return { ...store, url }
  const own = new URL(url)
  const [{ name }] = await store.db.sql<[{ name: string }]>`select current_database() as name`
  own.pathname = name
  return { ...store, url: own.href }
}

/** Filling a table takes longer than any statement of the runtime may. */
export async function inItsTime(db: Database, work: (line: Pick<Database, 'sql'>) => PromiseLike<unknown>): Promise<void> {
  const line = db.unhurried()
  try {
    await work(line)
  } finally {
    await line.close()
  }
}

/** Conversations by this name and a number from 0 on, each at version 1. */
export const populate = (db: Database, name: string, count: number) => inItsTime(db, (line) => fill(line, name, count))

async function fill({ sql }: Pick<Database, 'sql'>, name: string, count: number): Promise<void> {
  await sql`
    insert into actors (tenant_id, id, kind, shard, version, epoch, machine_version, tree)
    select ${tenant}, ${name} || n, 'conversation', n % 1024, 1, 0, 1, ${sql.json(sample.tree)} from generate_series(0, ${count - 1}::int) n
  `
  await sql`
    insert into conversations (tenant_id, id, owner, channel, seq)
    select ${tenant}, ${name} || n, 'someone', 'web', 1 from generate_series(0, ${count - 1}::int) n
  `
}

/** Back to where every run begins. */
export async function reset({ sql }: Database): Promise<void> {
  await sql`truncate inbox, journal, effects, timers, events, messages, usage, work_orders`
  await sql`delete from actors where id not like 'rest%'`
  await sql`delete from conversations where id not like 'rest%'`
}

/** The step that takes an actor from this version to the next. */
export const stepFrom = (version: number, actor: string): StepRow => ({
  tenant,
  actor,
  kind: 'conversation',
  shard: 7,
  version,
  epoch: 0,
  machine: 1,
  tree: { ...sample.tree, v: version + 1 },
  dedup: `message:${version}`,
  pending: false,
  envelope: sample.envelope,
  now: Date.now(),
  done: `${version}:1`,
  calls: [{ id: `${version + 1}:1`, addr: 'root/turn/answer', src: 'answer', input: sample.input }],
  cancels: [],
  timers: [{ id: `${version + 1}:0`, at: Date.now() + 60_000 }],
  disarms: [`${version}:0`],
  emits: [{ seq: version + 1, name: 'turn.classified', payload: sample.payload }],
  usage: [],
  orders: [],
  about: { seq: version + 1 },
})
