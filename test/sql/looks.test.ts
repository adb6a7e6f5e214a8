/** What a node finds when it looks, in its own shards and in all that there are. */
import { randomUUID } from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Database } from '../../sql/database.ts'
import { type Doer, adoptEffects, releaseEffects } from '../../sql/effects.ts'
import { keepEnvelope } from '../../sql/inbox.ts'
import { lookAfter } from '../../sql/looks.ts'
import { type StepRow, commitSteps } from '../../sql/steps.ts'
import { readAsTenant } from '../../sql/tenant.ts'
import { lookForTimers } from '../../sql/timers.ts'
import { standing } from '../support/locks.ts'
import { type Opened, type Variant, pglite, stores } from '../support/postgres.ts'
import { firstStep } from '../support/steps.ts'
import { freshStore } from '../support/store.ts'
import { within } from '../support/within.ts'

const [OURS, THEIRS] = [7, 8]
const me = { node: 'one', life: 'life of one' }
const gone = { node: 'gone', life: 'life of the gone' }
/** A name behind ours. */
const goneLater = { node: 'gone', life: 'lives no more' }
const NOON = Date.UTC(2026, 5, 1, 12)

function looks(variant: Variant): void {
  const test = suite(`what a node looks for (${variant.name})`)
  const [tenant, another] = [randomUUID(), randomUUID()]
  let store: Opened

  const born = async (actor: string, shard: number, told: Partial<StepRow> = {}, by = me) =>
    assert.equal(await commitSteps(store.db, [firstStep({ tenant, actor, shard, epoch: 0, ...told })], by), ['done'])
  const timers = (...ats: number[]) => ({ timers: ats.map((at) => ({ id: `at ${at - NOON}`, at })) })
  const calls = (...ids: string[]) => ({ calls: ids.map((id) => ({ id, addr: 'root', src: 'answer', input: { id } })) })
  const work = calls('work')
  const look = (held: number[] | null, known: string[] = [], most = 100) =>
    lookAfter(store.db, { held, life: me.life, most, known: known.map((actor) => ({ tenant, actor })) })
  const adopt = async (held: [shard: number, epoch: number][], most?: number) => {
    const places = held.map(([shard, epoch]) => ({ shard, epoch }))
    const adopted = await adoptEffects(store.db, places, me, most)
    return adopted.map((one) => `${one.tenant === tenant ? '' : 'another '}${one.actor} ${one.id}`).sort()
  }
  const ends = (actor: string, shard: number, id = 'work') => keepEnvelope(store.db, { tenant, actor, shard }, `call:${id}`, {}, 10)

  test.before(async () => {
    store = await within(60_000, freshStore(variant))
    await store.db.sql`insert into nodes (node, life, lock_key, machines, version) values (${me.node}, ${me.life}, 0, '{}', '')`
  })
  test.before.each(async () => {
    await store.db.sql`truncate actors, conversations, journal, inbox, effects, timers`
    await store.db.sql`update shards set epoch = 0 where epoch <> 0`
  })
  test.after(() => store.close())

  test('timers that are due come in order, with the moment at which the next one is', async () => {
    await born('a', OURS, timers(NOON, NOON - 2_000, NOON + 1))
    await born('b', THEIRS, timers(NOON - 1_000, NOON + 7, NOON + 5_000))
    const seen = async (held: number[] | null, most = 100) => {
      const { due, next } = await lookForTimers(store.db, NOON, most, held)
      return [due.map(({ tenant: its, actor, id }) => `${its === tenant} ${actor} ${id}`), next]
    }
    assert.equal(await seen([OURS]), [['true a at -2000', 'true a at 0'], NOON + 1])
    assert.equal(await seen([THEIRS]), [['true b at -1000'], NOON + 7])
    assert.equal(await seen(null), [['true a at -2000', 'true b at -1000', 'true a at 0'], NOON + 1])
    assert.equal(await seen(null, 1), [['true a at -2000'], NOON + 1])
    assert.equal(await seen([]), [[], undefined])
  })

  test('whoever has no shard asks nobody for timers', async () => {
    const sql = () => assert.unreachable('somebody was asked')
    assert.equal(await lookForTimers({ sql } as unknown as Database, NOON, 100, []), { due: [], next: undefined })
  })

  test('actors for whom something waits are found once, in our shards alone', async () => {
    for (const [actor, shard] of [
      ['a', OURS],
      ['b', THEIRS],
    ] as const) {
      await born(actor, shard)
      for (const key of ['m1', 'm2']) await keepEnvelope(store.db, { tenant, actor, shard }, key, {}, 10)
    }
    const seen = async (held: number[] | null) => (await look(held)).waiting.map(({ actor }) => actor).sort()
    assert.equal([await seen([OURS]), await seen([THEIRS]), await seen([OURS, THEIRS]), await seen([])], [['a'], ['b'], ['a', 'b'], []])
    assert.equal(await seen(null), ['a', 'b'])
  })

  for (const held of [[OURS], null])
    test(`however much waits for an actor that is known to be stuck, the others are found (${held ?? 'everywhere'})`, async () => {
      for (const actor of ['stuck', 'other']) await born(actor, OURS)
      for (let n = 0; n < 5; n++) await keepEnvelope(store.db, { tenant, actor: 'stuck', shard: OURS }, `m${n}`, {}, 10)
      await keepEnvelope(store.db, { tenant, actor: 'other', shard: OURS }, 'm1', {}, 10)
      assert.equal((await look(held, [], 3)).waiting, [{ tenant, actor: 'stuck' }])
      assert.equal((await look(held, ['stuck'], 3)).waiting, [{ tenant, actor: 'other' }])
    })

  for (const held of [[OURS, THEIRS], null])
    test(`whoever came first is found first, until what came is applied (${held ?? 'everywhere'})`, async () => {
      for (const [actor, shard] of [
        ['first', THEIRS],
        ['second', OURS],
      ] as const)
        await keepEnvelope(store.db, { tenant, actor, shard }, 'm1', {}, 10)
      const first = { tenant, actor: 'first' }
      assert.equal((await look(held, [], 1)).waiting, [first])
      // A namesake of another tenant is somebody else.
      const known = [{ ...first, tenant: another }]
      assert.equal((await lookAfter(store.db, { held, most: 1, known })).waiting, [first])
      await store.db.sql`update inbox set applied_version = 1 where actor = 'first'`
      assert.equal((await look(held)).waiting, [{ tenant, actor: 'second' }])
    })

  test("what waits since a time without shards is nobody's to find", async () => {
    await readAsTenant(
      store.db,
      tenant,
      (sql) => sql`insert into inbox (tenant_id, actor, dedup_key, envelope) values (${tenant}, 'a', 'm1', '{}')`,
    )
    for (const held of [null, [OURS]]) assert.equal((await look(held)).waiting, [])
  })

  test('work of a life that is over, or that was given back, is left behind where its actor lives', async () => {
    const isLeft = async () => Promise.all([[OURS], [THEIRS], null].map(async (held) => (await look(held)).isLeft))
    await born('a', OURS, work)
    assert.equal(await isLeft(), [false, false, false])
    await releaseEffects(store.db, me.life)
    assert.equal(await isLeft(), [true, false, true])
    assert.is((await adoptEffects(store.db, [{ shard: OURS, epoch: 0 }], me)).length, 1)
    assert.equal(await isLeft(), [false, false, false])
    await born('b', THEIRS, work, gone)
    assert.equal(await isLeft(), [false, true, true])
    await adopt([[THEIRS, 0]])
    assert.equal(await isLeft(), [false, false, false])
    await born('c', THEIRS, work, goneLater)
    assert.equal(await isLeft(), [false, true, true])
    // A namesake of another tenant lives elsewhere.
    await born('c', OURS, { tenant: another })
    assert.equal(await isLeft(), [false, true, true])
  })

  test('work whose end waits is done: it is neither left behind nor claimed', async () => {
    await born('a', OURS, work)
    assert.equal((await look(null)).claimed, [{ tenant, actor: 'a', id: 'work' }])
    await ends('a', OURS)
    assert.equal((await look(null)).claimed, [])
    await releaseEffects(store.db, me.life)
    for (const held of [null, [OURS]]) assert.is((await look(held)).isLeft, false)
  })

  test('work under our name is ours wherever its actor lives, and under no other name', async () => {
    await born('a', OURS, work)
    await born('b', THEIRS, work)
    await born('c', OURS, work, gone)
    assert.equal((await look([OURS])).claimed.map(({ actor }) => actor).sort(), ['a', 'b'])
    const nameless = async () => (await lookAfter(store.db, { held: [OURS], most: 100, known: [] })).claimed
    assert.equal(await nameless(), [])
    await releaseEffects(store.db, me.life)
    assert.equal(await nameless(), [])
  })

  test('work is taken over under the epoch of its shard alone, each piece once, and not where its end waits', async () => {
    await store.db.sql`update shards set epoch = case shard when ${OURS} then 3 else 5 end where shard in (${OURS}, ${THEIRS})`
    await born('a', OURS, { epoch: 3, ...calls('said', 'work') }, gone)
    await ends('a', OURS, 'said')
    await born('b', THEIRS, { epoch: 5, ...work }, goneLater)
    await born('a', THEIRS, { tenant: another, epoch: 5, ...work }, gone)
    await born('c', OURS, { epoch: 3, ...work })
    // In another order than the store has them.
    const under = (theirs: number, ours: number) =>
      adopt([
        [THEIRS, theirs],
        [OURS, ours],
      ])
    assert.equal(await under(3, 5), [])
    assert.equal(await under(4, 3), ['a work'])
    assert.equal(await under(5, 3), ['another a work', 'b work'])
    assert.equal(await under(5, 3), [])
    const rows = await store.db.sql`select actor from effects where attempt = 1 order by actor`
    assert.equal(
      rows.map(({ actor }) => actor),
      ['a', 'c'],
    )
  })

  test('however much is armed or left behind, one row says so', async () => {
    await born('a', OURS, { ...timers(NOON + 1, NOON + 2), ...calls('one', 'two') }, gone)
    const { db } = store
    for (const held of [[OURS], null]) {
      const later = await db.sql`select from look_for_timers(to_timestamp(${NOON / 1000}), 10, ${held})`
      const left = await db.sql`select from look_after(${held}, null, 10, '{}', '{}')`
      assert.equal([later.length, left.length], [1, 1])
    }
  })

  test('work that was given back is taken over as that of the dead is, the oldest first and a portion at a time', async () => {
    await born('a', OURS, work, gone)
    await born('b', OURS, calls('two', 'one'))
    await releaseEffects(store.db, me.life)
    await store.db.sql`update effects set claimed_at = now() - interval '1 hour' where actor = 'b'`
    assert.equal(await adopt([[OURS, 0]], 1), ['b one'])
    assert.equal(await adopt([[OURS, 0]], 2), ['a work', 'b two'])
  })

  test('whoever takes work over is told all of it, and has it under its name from then on', async () => {
    await born('a', OURS, work, gone)
    await store.db.sql`update effects set kept = '{"so": "far"}', claimed_at = now() - interval '1 hour'`
    assert.equal(
      [...(await adoptEffects(store.db, [{ shard: OURS, epoch: 0 }], me))],
      [{ tenant, actor: 'a', id: 'work', src: 'answer', input: { id: 'work' }, kept: { so: 'far' }, attempt: 2 }],
    )
    const rows = await store.db.sql<(Doer & { isFresh: boolean })[]>`
      select claim_node as node, claim_life as life, claimed_at > now() - interval '30 minutes' as "isFresh" from effects
    `
    assert.equal([...rows], [{ ...me, isFresh: true }])
  })

  // What happens between two sessions.
  if (variant !== pglite) {
    test('whoever takes work over waits while its shard moves, and takes nothing of one whose lock it has not', async () => {
      await born('a', OURS, work, gone)
      await born('b', THEIRS, work, gone)
      const { asked } = await store.db.sql.begin(async (sql) => {
        await sql`select pg_advisory_xact_lock(shard_lock(), ${OURS})`
        assert.equal(await within(5_000, adopt([[THEIRS, 0]])), ['b work'], 'one that does not move')
        const begun = await standing(
          store.db,
          adopt([
            [OURS, 0],
            [THEIRS, 0],
          ]),
        )
        await born('c', THEIRS, work, gone)
        await sql`update shards set epoch = 1 where shard = ${OURS}`
        return begun
      })
      assert.equal(await asked, [])
      const now = adopt([
        [OURS, 1],
        [THEIRS, 0],
      ])
      assert.equal(await now, ['a work', 'c work'])
    })

    test('what was taken over elsewhere in the same moment is not taken again', async () => {
      await born('a', OURS, work, gone)
      const { asked } = await store.db.sql.begin(async (sql) => {
        // It has found the work, and cannot see yet whether its end waits.
        await sql`lock table inbox in access exclusive mode`
        const begun = await standing(store.db, adopt([[OURS, 0]]))
        await store.db.sql`update effects set claim_life = ${me.life}`
        return begun
      })
      assert.equal(await asked, [])
    })

    test('work that is just being taken over keeps nobody else waiting', async () => {
      await born('a', OURS, work, gone)
      await born('b', OURS, work, gone)
      await store.db.sql.begin(async (sql) => {
        await sql`select from effects where actor = 'a' for update`
        assert.equal(await within(5_000, adopt([[OURS, 0]])), ['b work'])
      })
    })
  }

  test.run()
}

for (const variant of stores()) looks(variant)
