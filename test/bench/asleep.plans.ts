/** What each statement of a step reads, from the plans that PostgreSQL itself tells of the statements inside of our functions (auto_explain). */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import postgres from 'postgres'
import { loadActor } from '../../sql/actors.ts'
import { beatNode, enterNode, leaveNode } from '../../sql/cluster.ts'
import { findConversation, readHistory, readPage, readPositions } from '../../sql/conversations.ts'
import type { Database } from '../../sql/database.ts'
import { connect } from '../../sql/database.postgres.ts'
import { adoptEffects } from '../../sql/effects.ts'
import { keepEnvelope, waitingFor } from '../../sql/inbox.ts'
import { lookAfter } from '../../sql/looks.ts'
import { commitSteps } from '../../sql/steps.ts'
import { lookForTimers } from '../../sql/timers.ts'
import { demo } from '../../sql/tenants.ts'
import { shardOf } from '../../runtime/cluster/shards.ts'
import type { Ground } from './fleet.ts'
import { restingName } from './fleet.past.ts'
import { stepFrom } from './store.ground.ts'

const tenant = demo.id
const me = { node: 'plans', life: 'plans' }
const LEASE = 60_000

export interface Plan {
  pages: number
  /** Tables with more than a few rows that were read from end to end, and rows that were read and thrown away. */
  scanned: string[]
  removed: number
  /** Which index of which table, and how many rows came of it. */
  ways: string[]
  text: string
}

/** By the name of the function in SQL, for a conversation in the middle of so many. */
export async function plansIn(ground: Ground, conversations: number, label: string): Promise<Map<string, Plan>> {
  const notices: string[] = []
  const actor = restingName(Math.floor(conversations * 0.37))
  const { options } = connect(ground.url, 1, { application: 'nexus plans' })
  const onnotice = ({ message }: postgres.Notice) => void (message?.includes('plan:') && notices.push(message))
  const sql = postgres({ ...options, onnotice } as unknown as postgres.Options<Record<string, postgres.PostgresType>>)
  const db = { sql } as unknown as Database
  try {
    await enterNode(db, {
      ...me,
      machines: {},
      version: '',
      url: undefined,
      application: 'plans',
      hasLock: true,
      lease: LEASE,
    })
    const asked = await questions(db, actor)
    await sql.unsafe(`
      load 'auto_explain';
      set auto_explain.log_analyze = on; set auto_explain.log_buffers = on; set auto_explain.log_timing = off;
      set auto_explain.log_nested_statements = on; set auto_explain.log_level = notice; set auto_explain.log_min_duration = 0
    `)
    const plans = new Map<string, Plan>()
    for (const [name, ask] of Object.entries(asked)) {
      // The first calls of a session read the catalogue.
      for (let times = 0; times < 3; times++) {
        notices.length = 0
        await ask()
      }
      plans.set(name, planOf(notices))
    }
    // No node that comes after shall find work in what was made up here.
    for (const table of ['inbox', 'effects', 'timers']) await sql.unsafe(`delete from ${table} where actor = $1`, [actor])
    await leaveNode(db, me.life)
    if (process.env.BENCH_PLANS) {
      await mkdir(process.env.BENCH_PLANS, { recursive: true })
      const text = [...plans].map(([name, plan]) => `==== ${name}\n${plan.text}\n`).join('\n')
      await writeFile(join(process.env.BENCH_PLANS, `${label}.txt`), text)
    }
    return plans
  } finally {
    await sql.end({ timeout: 1 })
  }
}

/** As the program asks them. */
async function questions(db: Database, actor: string): Promise<Record<string, () => Promise<unknown>>> {
  const shard = shardOf(actor)
  const { version, tree } = (await loadActor(db, tenant, actor)) as { version: number; tree: { seq: number } }
  const rows = await db.sql<{ shard: number; epoch: number }[]>`select shard, epoch from shards where name is null order by shard`
  // One of two nodes.
  const held = rows.filter((_, at) => at % 2 === shard % 2)
  const shards = held.map((one) => one.shard)
  const step = (more: number) => ({
    ...stepFrom(version + more, actor),
    tenant,
    shard,
    epoch: rows[shard]?.epoch ?? 0,
    tree: { ...tree, v: version + more + 1, seq: tree.seq + more + 1 },
    emits: [{ seq: tree.seq + more + 1, name: 'turn.classified', payload: {} }],
    about: { seq: tree.seq + more + 1 },
  })
  let done = 0
  let kept = 0
  return {
    find_conversation: () => findConversation(db, tenant, actor),
    load_actor: () => loadActor(db, tenant, actor),
    commit_steps: async () => {
      const [outcome] = await commitSteps(db, [step(done++)], me)
      if (outcome !== 'done') throw new Error(`a step that nobody disputes was ${outcome}`)
    },
    read_history: () => readHistory(db, tenant, actor, ['none'], 40),
    read_page: () => readPage(db, tenant, actor, { after: 1, most: 500, messages: 50 }),
    conversation_positions: () => readPositions(db, [{ tenant, conversation: actor }]),
    keep_envelope: () => keepEnvelope(db, { tenant, actor, shard }, `plans:${kept++}`, { envelope: { to: 'root' } }, 256),
    waiting_for: () => waitingFor(db, { tenant, actor, shard }, 256),
    look_for_timers: () => lookForTimers(db, Date.now(), 500, shards),
    look_after: () => lookAfter(db, { held: shards, life: me.life, most: 500, known: [] }),
    adopt_effects: () => adoptEffects(db, held, me),
    beat_node: () => beatNode(db, { life: me.life, oldest: LEASE }),
  }
}

/** Tables that grow with what there is. */
const large = new Set([
  'actors',
  'conversations',
  'inbox',
  'journal',
  'effects',
  'timers',
  'events',
  'messages',
  'chunks',
  'usage',
  'work_orders',
])

/** The outermost statement comes last, and counts the pages of all inside of it. */
function planOf(notices: string[]): Plan {
  const plans = notices.map((notice) => notice.slice(notice.indexOf('plan:') + 5).trim())
  const [, hit = '0', , read = '0'] = /Buffers: shared(?: hit=(\d+))?( read=(\d+))?/.exec(plans.at(-1) ?? '') ?? []
  const inside = plans.slice(0, -1).join('\n')
  const ways: string[] = []
  const scanned: string[] = []
  for (const [, how, index, table, rows] of inside.matchAll(
    /((?:Parallel )?Seq Scan|Index(?: Only)? Scan(?: Backward)?|Bitmap Heap Scan)(?: using (\w+))? on (\w+)[^\n]*\(actual rows=(\d+)/g,
  )) {
    if (!large.has(table as string)) continue
    ways.push(`${index ?? `${how} ${table}`} ${rows}`)
    if (how?.endsWith('Seq Scan')) scanned.push(table as string)
  }
  const removed = [...inside.matchAll(/Rows Removed by (?:Filter|Join Filter|Index Recheck): (\d+)/g)].reduce(
    (sum, [, rows]) => sum + Number(rows),
    0,
  )
  return { pages: Number(hit) + Number(read), scanned, removed, ways, text: plans.join('\n\n') }
}
