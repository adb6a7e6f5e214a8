/** The reads that are the tenant door and the query in one: each sees its own tenant's rows, and leaves no door open. */
import { randomUUID } from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { loadActor } from '../../sql/actors.ts'
import { forgetChunks, keepChunks, spokenText } from '../../sql/chunks.ts'
import { findConversation, readEventsBetween, readHistory, readPage, readPositions, readTurnOf } from '../../sql/conversations.ts'
import type { Database } from '../../sql/database.ts'
import { type StepRow, commitSteps } from '../../sql/steps.ts'
import { type Opened, type Variant, stores } from '../support/postgres.ts'
import { freshStore } from '../support/store.ts'
import { within } from '../support/within.ts'

function reads(variant: Variant): void {
  const test = suite(`reads of one round trip (${variant.name})`)
  const [ours, theirs] = [randomUUID(), randomUUID()]
  let store: Opened

  /** One step says one message; the first of a turn takes it up. */
  const step = (tenant: string, version: number): StepRow => ({
    tenant,
    actor: 'c1',
    kind: 'conversation',
    shard: 1,
    version,
    epoch: 0,
    machine: 1,
    tree: { v: version + 1 },
    dedup: null,
    pending: false,
    envelope: {},
    now: 1_000_000 + version,
    done: null,
    calls: [],
    cancels: [],
    timers: [],
    disarms: [],
    emits: [
      {
        seq: 2 * version + 1,
        name: 'message.accepted',
        payload: { message: { id: `m${version}`, role: 'user', text: `word ${version}`, at: 1_000_000 } },
      },
      { seq: 2 * version + 2, name: 'turn.started', payload: { turn: `t${version}`, messages: [`m${version}`] } },
    ],
    usage: [],
    orders: [],
    about: { owner: 'someone', channel: 'web', seq: 2 * version + 2 },
  })

  test.before(async () => {
    store = await within(60_000, freshStore(variant))
    for (let version = 0; version < 5; version++)
      assert.equal(await commitSteps(store.db, [step(ours, version)], { node: 'n1', life: 'l1' }), ['done'])
    await keepChunks(store.db, [{ tenant: ours, actor: 'c1', turn: 't1', attempt: 1, start: 0, text: 'said' }], 'l1')
  })
  test.after(() => store.close())

  test('a tenant reads what is its own', async () => {
    const { db } = store
    assert.equal((await loadActor(db, ours, 'c1'))?.tree, { v: 5 })
    const found = await findConversation(db, ours, 'c1')
    assert.ok(found && found !== 'taken')
    assert.equal([found.owner, found.channel, found.attention, found.seq], ['someone', 'web', 'automated', 10])
    assert.ok(found.idle >= 0 && found.idle < 60_000, `${found.idle} ms`)
    const past = await readHistory(db, ours, 'c1', ['m3', 'm4'], 2)
    assert.equal(past, [
      { id: 'm1', seq: 3, role: 'user', text: 'word 1', at: 1_000_000 },
      { id: 'm2', seq: 5, role: 'user', text: 'word 2', at: 1_000_000 },
    ])
    assert.equal(
      (await readTurnOf(db, ours, 'c1', 'm3')).map(({ seq, name }) => [seq, name]),
      [[8, 'turn.started']],
    )
    assert.is((await readTurnOf(db, ours, 'c1', 'm9')).length, 0)
  })

  test('a page has the newest messages, oldest first, and one event more than asked for', async () => {
    const page = await readPage(store.db, ours, 'c1', { after: 2, most: 2, messages: 2 })
    assert.equal(
      page?.messages.map(({ id }) => id),
      ['m3', 'm4'],
    )
    assert.equal(
      page?.events.map(({ seq }) => seq),
      [3, 4, 5],
    )
    assert.equal(page?.events[0]?.payload.message, { id: 'm1', role: 'user', text: 'word 1', at: 1_000_000 })
    const fresh = await readPage(store.db, ours, 'c1', { after: undefined, most: 2, messages: 0 })
    assert.equal([fresh?.messages, fresh?.events], [[], []])
  })

  test('where conversations stand is told in the order of the question, to their own tenant', async () => {
    const places = [
      { tenant: ours, conversation: 'c1' },
      { tenant: theirs, conversation: 'c1' },
      { tenant: ours, conversation: 'c2' },
      { tenant: ours, conversation: 'c1' },
    ]
    assert.equal(await readPositions(store.db, places), [10, undefined, undefined, 10])
    assert.equal(await readPositions(store.db, []), [])
  })

  test('events are read after one and up to another', async () => {
    const seqs = async (after: number, last: number) => (await readEventsBetween(store.db, ours, 'c1', after, last)).map(({ seq }) => seq)
    assert.equal(await seqs(2, 4), [3, 4])
    assert.equal(await seqs(0, 1), [1])
    assert.equal(await seqs(10, 99), [])
    assert.is((await readEventsBetween(store.db, theirs, 'c1', 0, 99)).length, 0)
  })

  test('another tenant reads nothing of it, and learns only that the id is taken', async () => {
    const { db } = store
    assert.is(await loadActor(db, theirs, 'c1'), undefined)
    assert.is(await findConversation(db, theirs, 'c1'), 'taken')
    assert.is(await findConversation(db, theirs, 'c2'), undefined)
    assert.is(await readPage(db, theirs, 'c1', { after: 0, most: 10, messages: 10 }), undefined)
    assert.equal(await readHistory(db, theirs, 'c1', [], 10), [])
    assert.is((await readTurnOf(db, theirs, 'c1', 'm1')).length, 0)
    await forgetChunks(db, theirs, 'c1', 't1')
    assert.is(await spokenText(db, ours, 'c1', 't1', 1), 'said')
    await forgetChunks(db, ours, 'c1', 't1')
    assert.is(await spokenText(db, ours, 'c1', 't1', 1), '')
  })

  test('the door is shut behind a read, also in a longer transaction', async () => {
    await store.db.sql.begin(async (sql) => {
      assert.ok(await loadActor({ sql } as unknown as Database, ours, 'c1'))
      const [after] = await sql<[{ tenant: string | null; is: string; was: string }]>`
        select current_setting('app.tenant', true) as tenant, current_user as is, session_user as was
      `
      assert.not.ok(after.tenant)
      assert.is(after.is, after.was)
    })
  })

  test('a role that was not given them cannot call them', async () => {
    const [open] = await store.db.sql<[{ open: number }]>`
      select count(*)::int as open from pg_proc, aclexplode(coalesce(proacl, acldefault('f', proowner))) a
      where pronamespace = current_schema()::regnamespace and prosecdef and a.grantee = 0
    `
    assert.is(open.open, 0)
  })

  test('they find everything by its key, however many rows there are', async () => {
    await store.db.sql.begin(async (sql) => {
      const db = { sql } as unknown as Database
      const scans = () => sql<{ name: string; scans: number }[]>`
        select relname as name, seq_scan as scans from pg_stat_xact_user_tables where schemaname = current_schema() order by relname
      `
      const before = await scans()
      await loadActor(db, ours, 'c1')
      await findConversation(db, ours, 'c1')
      await readHistory(db, ours, 'c1', ['m3'], 10)
      await readPage(db, ours, 'c1', { after: 0, most: 10, messages: 10 })
      await readTurnOf(db, ours, 'c1', 'm3')
      await readPositions(db, [{ tenant: ours, conversation: 'c1' }])
      await forgetChunks(db, ours, 'c1', 't1')
      assert.equal([...(await scans())], [...before])
    })
  })

  test.run()
}

for (const variant of stores()) reads(variant)
