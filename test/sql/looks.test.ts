/** What a node finds when it looks, in its own shards and in all that there are. */
import { randomUUID } from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { adoptEffects, releaseEffects } from '../../sql/effects.ts'
import { keepEnvelope } from '../../sql/inbox.ts'
import { lookAfter } from '../../sql/looks.ts'
import { type StepRow, commitSteps } from '../../sql/steps.ts'
import { lookForTimers } from '../../sql/timers.ts'
import { type Opened, type Variant, stores } from '../support/postgres.ts'
import { firstStep } from '../support/steps.ts'
import { freshStore } from '../support/store.ts'
import { within } from '../support/within.ts'

const [OURS, THEIRS] = [7, 8]
const me = { node: 'one', life: 'life of one' }
const NOON = Date.UTC(2026, 5, 1, 12)

function looks(variant: Variant): void {
  const test = suite(`what a node looks for (${variant.name})`)
  const tenant = randomUUID()
  let store: Opened

  const born = async (actor: string, shard: number, told: Partial<StepRow> = {}, by = me) =>
    assert.equal(await commitSteps(store.db, [firstStep({ tenant, actor, shard, epoch: 0, ...told })], by), ['done'])
  const timers = (...ats: number[]) => ({ timers: ats.map((at) => ({ id: `at ${at - NOON}`, at })) })
  const work = { calls: [{ id: 'work', addr: 'root', src: 'answer', input: {} }] }
  const look = (held: number[] | null, known: string[] = [], most = 100) =>
    lookAfter(store.db, { held, life: me.life, most, known: known.map((actor) => ({ tenant, actor })) })

  test.before(async () => {
    store = await within(60_000, freshStore(variant))
    await store.db.sql`insert into nodes (node, life, lock_key, machines, version) values (${me.node}, ${me.life}, 0, '{}', '')`
  })
  test.before.each(async () => {
    await store.db.sql`truncate actors, conversations, journal, inbox, effects, timers`
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

  test('work of a life that is over, or that was given back, is left behind where its actor lives', async () => {
    const isLeft = async () => Promise.all([[OURS], [THEIRS], null].map(async (held) => (await look(held)).isLeft))
    await born('a', OURS, work)
    assert.equal(await isLeft(), [false, false, false])
    await releaseEffects(store.db, me.life)
    assert.equal(await isLeft(), [true, false, true])
    assert.is((await adoptEffects(store.db, [{ shard: OURS, epoch: 0 }], me)).length, 1)
    assert.equal(await isLeft(), [false, false, false])
    await born('b', THEIRS, work, { node: 'gone', life: 'life of the gone' })
    assert.equal(await isLeft(), [false, true, true])
  })

  test('work whose end waits is done: it is neither left behind nor claimed', async () => {
    await born('a', OURS, work)
    assert.equal((await look(null)).claimed, [{ tenant, actor: 'a', id: 'work' }])
    await keepEnvelope(store.db, { tenant, actor: 'a', shard: OURS }, 'call:work', {}, 10)
    assert.equal((await look(null)).claimed, [])
    await releaseEffects(store.db, me.life)
    assert.is((await look(null)).isLeft, false)
  })

  test('work under our name is ours wherever its actor lives, and under no other name', async () => {
    await born('a', OURS, work)
    await born('b', THEIRS, work)
    await born('c', OURS, work, { node: 'gone', life: 'life of the gone' })
    assert.equal((await look([OURS])).claimed.map(({ actor }) => actor).sort(), ['a', 'b'])
  })

  test.run()
}

for (const variant of stores()) looks(variant)
