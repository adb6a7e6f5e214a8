/** What a query reads must not grow with what there is: pages that it touches in a small store and in one that holds a lot. */
import type { Database } from '../../sql/database.ts'
import type { Row } from './bench.ts'
import { inItsTime, openGround, stepFrom, tenant } from './store.ground.ts'

/** A number after every event of the past. */
const AFTER = 1_000_000

/** Everything that is asked in a step, a turn, a join or a look for work. The conversation `rest7` has a long past. */
const queries = (db: Database): Record<string, () => Promise<unknown>> => {
  const pages = (call: string, ...given: unknown[]) =>
    db.sql.unsafe(`explain (analyze, buffers, format json) select * from ${call}`, given as never[])
  const step = (version: number) =>
    JSON.stringify([{ n: 0, ...stepFrom(version, 'rest7'), emits: [{ seq: AFTER + version, name: 'turn.classified', payload: {} }] }])
  let version = 0
  const all = 'array(select shard from shards order by shard)'
  return {
    'commit of a step': () => pages(`commit_steps('${step(++version).replaceAll("'", "''")}', 'bench', 'bench', '{7}')`),
    'load of an actor': () => pages('load_actor($1, $2)', tenant, 'rest7'),
    'look for a conversation': () => pages('find_conversation($1, $2)', tenant, 'rest7'),
    'history of a turn': () => pages(`read_history($1, $2, array['m50'], 40)`, tenant, 'rest7'),
    'page of a join': () => pages('read_page($1, $2, $3, 500, 50)', tenant, 'rest7', 1),
    'turn of a message': () => pages('read_turn_of($1, $2, $3)', tenant, 'rest7', 'm50'),
    'look for timers': () => pages(`look_for_timers(now(), 500, ${all})`),
    'look after what is left': () => pages(`look_after(${all}, 'bench', 500, '{}', '{}')`),
    '… where every shard is ours': () => pages(`look_after(null, 'bench', 500, '{}', '{}')`),
    'takeover of nothing': () => pages(`adopt_effects(${all}, array(select epoch from shards order by shard), 'bench', 'bench', 500)`),
  }
}

interface Plan {
  Plan: { 'Shared Hit Blocks': number; 'Shared Read Blocks': number }
}

async function touched(url: string | undefined, conversations: number, past: number): Promise<Map<string, number>> {
  const { db, close } = await openGround(url, conversations)
  try {
    await inItsTime(db, (line) => fill(line, conversations, past))
    const figures = new Map<string, number>()
    for (const [name, ask] of Object.entries(queries(db))) {
      // The first calls of a session read the catalogue.
      for (let times = 0; times < 3; times++) {
        const [row] = (await ask()) as { 'QUERY PLAN': [Plan] }[]
        const plan = row?.['QUERY PLAN'][0].Plan
        figures.set(name, (plan?.['Shared Hit Blocks'] ?? 0) + (plan?.['Shared Read Blocks'] ?? 0))
      }
    }
    return figures
  } finally {
    await close()
  }
}

/** A long past for one conversation, timers that are not due and keys that were applied for all, and for every tenth work that is under way. */
async function fill({ sql }: Pick<Database, 'sql'>, conversations: number, past: number): Promise<void> {
  await sql`
    insert into messages (tenant_id, conversation, seq, id, role, text, at)
    select ${tenant}, 'rest7', 3 * n, 'm' || n, 'user', 'why is the sky blue?', 0 from generate_series(1, ${past}::int) n
  `
  await sql`
    insert into events (tenant_id, conversation, seq, name, payload, at)
    select ${tenant}, 'rest7', 3 * n + which, (array['message.accepted', 'turn.started', 'turn.finished'])[which + 1],
      jsonb_build_object('turn', 't' || n, 'messages', jsonb_build_array('m' || n)), now()
    from generate_series(1, ${past}::int) n, generate_series(0, 2) which
  `
  await sql`
    insert into inbox (tenant_id, actor, dedup_key, applied_version)
    select ${tenant}, 'rest' || n, 'message:m0', 1 from generate_series(0, ${conversations - 1}::int) n
  `
  await sql`
    insert into timers (tenant_id, actor, id, shard, fire_at)
    select ${tenant}, 'rest' || n, '9:9', 7, now() + interval '1 hour' from generate_series(0, ${conversations - 1}::int) n
  `
  await sql`insert into nodes (node, life, lock_key, machines, version) values ('busy', 'busy', 0, '{}', '')`
  await sql`
    insert into effects (tenant_id, actor, id, addr, src, input, claim_node, claim_life)
    select ${tenant}, 'rest' || 10 * n, '1:1', 'root/turn/answer', 'answer', '{}', 'busy', 'busy'
    from generate_series(0, ${conversations / 10 - 1}::int) n
  `
  await sql`update conversations set seq = ${3 * past + 2} where id = 'rest7'`
  await sql`analyze`
}

export async function pagesTouched(url: string | undefined, short: boolean): Promise<Row[]> {
  const [few, many, brief, long] = short ? [500, 2_000, 100, 400] : [1_000, 200_000, 100, 10_000]
  const small = await touched(url, few as number, brief as number)
  const large = await touched(url, many as number, long as number)
  return [...large].map(([name, pages]) => ({
    what: `pages: ${name}`,
    unit: '',
    ours: [pages],
    bare: [small.get(name) as number],
    // A tree of keys is a level or two deeper.
    bar: { of: 'ratio', most: 2 },
    ...(name === 'commit of a step' && {
      note: `ours at ${(many as number).toLocaleString('en')} conversations and ${(long as number).toLocaleString('en')} messages in one, bare at ${few} and ${brief}`,
    }),
  }))
}
