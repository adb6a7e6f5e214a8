/** Many conversations at rest, each a copy of one that was really lived: trees, journals, events and messages are those of the program. */
import { shardOf } from '../../runtime/cluster/shards.ts'
import { demo } from '../../sql/tenants.ts'
import { type Ground, startFleet } from './fleet.ts'
import { startWorker } from './worker.ts'

const tenant = demo.id

/** Conversations in one statement. */
const PORTION = 20_000

/** The nth of them. Ascending, so that indexes are filled from left to right. */
export const restingName = (n: number): string => `${n.toString(16).padStart(8, '0')}-0000-4000-8000-000000000000`

/** Lives a conversation of one turn in it and copies it, until there are so many copies beside those that there are. */
export async function populate(ground: Ground, count: number, there = 0): Promise<void> {
  const model = there > 0 ? await foundIn(ground) : await lived(ground)
  const { sql } = ground
  // The stand-in for a model quotes half a handbook, which is more than people are told in a turn.
  await sql`update messages set citations = null, text = left(text, 400)`
  await sql`
    update events set payload = jsonb_set(payload #- '{message,citations}', '{message,text}', to_jsonb(left(payload #>> '{message,text}', 400)))
    where payload #>> '{message,text}' is not null
  `
  await sql`update journal set envelope = envelope #- '{output}' where length(envelope::text) > 1000`
  // By the key of the table that has them: what names the conversation, and what is to be made anew.
  const tables: Record<string, { id: string; anew?: Record<string, string> }> = {
    actors: { id: 'id', anew: { shard: 'm.shard', tree: `replace(t.tree::text, '${model}', m.id)::jsonb` } },
    conversations: { id: 'id' },
    inbox: { id: 'actor', anew: { seq: `nextval('inbox_seq_seq')` } },
    journal: { id: 'actor' },
    events: { id: 'conversation' },
    messages: { id: 'conversation' },
    work_orders: { id: 'conversation', anew: { number: `'WO-' || m.n` } },
  }
  const statements: string[] = []
  for (const [table, { id, anew = {} }] of Object.entries(tables)) {
    const columns = await sql<{ name: string }[]>`
      select column_name as name from information_schema.columns where table_name = ${table} and table_schema = 'public' order by ordinal_position
    `
    const made = columns.map(({ name }) => (name === id ? 'm.id' : (anew[name] ?? `t."${name}"`)))
    statements.push(
      `insert into ${table} (${columns.map(({ name }) => `"${name}"`).join(', ')})
       select ${made.join(', ')} from unnest($1::text[], $2::smallint[], $3::int[]) as m(id, shard, n), ${table} t where t.${id} = $4`,
    )
  }
  // One in ten waits for something.
  statements.push(
    `insert into timers (tenant_id, actor, id, shard, fire_at)
     select '${tenant}', m.id, '9:9', m.shard, now() + interval '1 day' + m.n * interval '1 millisecond'
     from unnest($1::text[], $2::smallint[], $3::int[]) as m(id, shard, n) where m.n % 10 = 0 and $4::text is not null`,
  )
  const portions = Array.from({ length: Math.ceil((count - there) / PORTION) }, (_, at) => there + at * PORTION)
  const pour = async () => {
    for (let from = portions.shift(); from !== undefined; from = portions.shift()) {
      const numbers = Array.from({ length: Math.min(PORTION, count - from) }, (_, at) => (from as number) + at)
      const names = numbers.map(restingName)
      const given = [names, names.map(shardOf), numbers, model]
      await sql.begin(async (tx) => {
        await tx`set local synchronous_commit = off`
        for (const statement of statements) await tx.unsafe(statement, given as never[])
      })
    }
  }
  await Promise.all([pour(), pour()])
  await sql`vacuum (analyze)` // now, and not while something is measured
}

/** The one that all others are copies of. */
async function foundIn({ sql }: Ground): Promise<string> {
  const [row] = await sql<[{ id: string }]>`select id from conversations where id not like ${`%${restingName(0).slice(8)}`}`
  return row.id
}

/** The name of a conversation of one turn that has come to rest. */
async function lived(ground: Ground): Promise<string> {
  const fleet = await startFleet(ground, import.meta.resolve('./fleet.server.ts'), 1, { OFFLINE_PACE: '0' })
  const clients = startWorker(import.meta.resolve('./clients.ts'))
  try {
    const url = await (fleet.nodes[0] as (typeof fleet.nodes)[number]).ask<string>('url')
    const [conversation] = await clients.ask<[string]>('join', { url, readers: 1 })
    await clients.ask('ask', [conversation])
    for (let tries = 0; ; tries++) {
      const [row] = await ground.sql<[{ busy: boolean }]>`
        select exists (select from effects) or not exists (select from messages where role = 'assistant') as busy
      `
      if (!row.busy) return conversation
      if (tries > 1_000) throw new Error('the conversation that all others are copied from did not come to rest')
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  } finally {
    await Promise.all([fleet.close(), clients.close()])
  }
}
