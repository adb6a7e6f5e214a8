/** What a node that has lost an actor still sends: the store has the last word. */
import { randomUUID } from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { keepChunks, spokenText } from '../../sql/chunks.ts'
import { claimShards, enterNode, handOverShards, leaveNode } from '../../sql/cluster.ts'
import type { Database } from '../../sql/database.ts'
import { adoptEffects, releaseEffects } from '../../sql/effects.ts'
import { dropEnvelope, keepEnvelope, setAside, waitingFor } from '../../sql/inbox.ts'
import { listDeadLetters } from '../../sql/letters.dead.ts'
import { commitSteps } from '../../sql/steps.ts'
import { standing } from '../support/locks.ts'
import { type Opened, type Variant, pglite, stores } from '../support/postgres.ts'
import { firstStep } from '../support/steps.ts'
import { freshStore } from '../support/store.ts'
import { within } from '../support/within.ts'

const MINUTE = 60_000
/** The shard of every actor here, and another. */
const [SHARD, FREE] = [7, 8]

function fences(variant: Variant): void {
  const test = suite(`what is fenced beside steps (${variant.name})`)
  const tenant = randomUUID()
  let store: Opened
  let actors = 0

  const enter = (node: string, machines: Record<string, number> = { conversation: 1 }) =>
    enterNode(store.db, {
      node,
      life: `life of ${node}`,
      machines,
      version: '1',
      url: undefined,
      application: node,
      hasLock: true,
      lease: MINUTE,
    })

  const epochOf = async (shard: number) => {
    const [row] = await store.db.sql<[{ epoch: number; life: string | null }]>`select epoch, life from shards where shard = ${shard}`
    return row
  }

  /** Whoever has the shard from now on, and its epoch. */
  async function take(shard: number, node: string): Promise<number> {
    const { life } = await epochOf(shard)
    if (life) await leaveNode(store.db, life)
    await enter(node)
    const [got] = await claimShards(store.db, [{ shard, epoch: (await epochOf(shard)).epoch, to: `life of ${node}` }])
    return (got as { epoch: number }).epoch
  }

  /** An actor that asks for a piece of work, done by this node. */
  async function born(node: string, epoch: number): Promise<string> {
    const actor = `c${actors++}`
    const step = firstStep({
      tenant,
      actor,
      shard: SHARD,
      epoch,
      calls: [{ id: 'work', addr: 'root', src: 'answer', input: {} }],
      timers: [{ id: 'timer', at: 1_000_000 }],
    })
    assert.equal(await commitSteps(store.db, [step], { node, life: `life of ${node}` }), ['done'])
    return actor
  }

  const count = async (table: 'inbox' | 'timers', actor: string) =>
    (await store.db.sql`select from ${store.db.sql(table)} where actor = ${actor}`).length

  test.before(async () => {
    store = await within(60_000, freshStore(variant))
  })
  test.after(() => store.close())

  test('words are kept for whoever does the work', async () => {
    const { db } = store
    const actor = await born('one', await take(SHARD, 'one'))
    const say = (node: string, start: number, text: string, work = 'work') =>
      keepChunks(db, [{ tenant, actor, turn: 't1', attempt: 1, start, text, work }], `life of ${node}`)
    const said = () => spokenText(db, tenant, actor, 't1', 1)
    await say('one', 0, 'one ')
    assert.is(await said(), 'one ')
    const epoch = await take(SHARD, 'two')
    assert.is((await adoptEffects(db, [{ shard: SHARD, epoch }], { node: 'two', life: 'life of two' })).length, 1)
    await say('one', 4, 'late ')
    assert.is(await said(), 'one ')
    await say('two', 4, 'two ')
    assert.is(await said(), 'one two ')
    await releaseEffects(db, 'life of two')
    await say('two', 8, 'given back ')
    assert.is(await said(), 'one two ')
    await say('two', 8, 'of work that is over', 'gone')
    assert.is(await said(), 'one two of work that is over')
  })

  test('an event that waits is dropped by the owner alone', async () => {
    const { db } = store
    const before = await take(SHARD, 'one')
    const actor = await born('one', before)
    const place = { tenant, actor, shard: SHARD }
    assert.is(await keepEnvelope(db, place, 'm1', {}, 10), 'kept')
    const now = await take(SHARD, 'two')
    assert.is(await dropEnvelope(db, { ...place, epoch: before }, 'm1'), false)
    assert.is((await waitingFor(db, place, 10)).length, 1)
    assert.is(await dropEnvelope(db, { ...place, epoch: now }, 'm1'), true)
    assert.is((await waitingFor(db, place, 10)).length, 0)
  })

  test('an event is set aside by the owner alone', async () => {
    const { db } = store
    const before = await take(SHARD, 'one')
    const actor = await born('one', before)
    const place = { tenant, actor, shard: SHARD }
    await keepEnvelope(db, place, 'm1', {}, 10)
    const now = await take(SHARD, 'two')
    const letters = async () => (await listDeadLetters(db, 100)).filter((letter) => letter.actor === actor)
    const waits = { dedup: 'm1', envelope: { to: 'root' }, error: 'why' }
    const rings = { dedup: null, envelope: { timer: 'timer' }, error: 'why' }
    for (const letter of [waits, rings]) assert.is(await setAside(db, { ...place, epoch: before }, letter), false)
    assert.equal([(await letters()).length, await count('inbox', actor), await count('timers', actor)], [0, 1, 1])
    for (const letter of [waits, rings]) assert.is(await setAside(db, { ...place, epoch: now }, letter), true)
    assert.equal([(await letters()).length, await count('inbox', actor), await count('timers', actor)], [2, 0, 0])
  })

  if (variant !== pglite)
    test('a commit that stands still keeps its shard, and no other, from whoever takes it over or is given it', async () => {
      const { db } = store
      await enter('old')
      const places = [20, 21, 22]
      await db.sql`update shards set life = null, machines = '{}' where shard = any(${places})`
      const claim = async () =>
        claimShards(db, await Promise.all(places.map(async (shard) => ({ shard, epoch: (await epochOf(shard)).epoch, to: 'life of old' }))))
      const give = () =>
        handOverShards(
          db,
          places.map((shard) => ({ shard, to: 'life of old' })),
          'life of old',
        )
      for (const move of [claim, give]) {
        const moved = await db.sql.begin(async (sql) => {
          await sql`select pg_advisory_xact_lock_shared(shard_lock(), 21)`
          return within(5_000, move())
        })
        assert.equal(
          moved.map(({ shard }) => shard),
          [20, 22],
        )
        // Once it has moved, so does its shard.
        assert.ok((await move()).some(({ shard }) => shard === 21))
      }
    })

  if (variant !== pglite)
    for (const way of ['given', 'claimed'])
      test(`a node that leaves while a shard is ${way} to it leaves that as well, and is none of it once it has left`, async () => {
        const { db } = store
        const [from, to] = ['life of old', 'life of new']
        await enter('old')
        const during = async (first: (db: Database) => Promise<unknown>, second: () => Promise<unknown>) => {
          await enter('new')
          await db.sql`update shards set life = ${way === 'given' ? from : null}, machines = '{}' where shard = ${FREE}`
          const { asked } = await db.sql.begin(async (sql) => {
            await first({ ...db, sql: sql as unknown as Database['sql'] })
            return standing(db, within(5_000, second()))
          })
          await asked
          assert.is((await epochOf(FREE)).life, null)
        }
        const { epoch } = await epochOf(FREE)
        const move = (db: Database, seen: number) =>
          way === 'given' ? handOverShards(db, [{ shard: FREE, to }], from) : claimShards(db, [{ shard: FREE, epoch: seen, to }])
        await during(
          (inside) => move(inside, epoch),
          () => leaveNode(db, to),
        )
        assert.is((await epochOf(FREE)).epoch, epoch + 1)
        await during(
          (inside) => leaveNode(inside, to),
          () => move(db, epoch + 1),
        )
      })

  test('a shard goes to nobody who does not know what is stored in it', async () => {
    const { db } = store
    await enter('old')
    await enter('new', { conversation: 2 })
    const holds = (machines: Record<string, number>) => db.sql`update shards set machines = ${db.sql.json(machines)} where shard = ${FREE}`
    const claim = async (node: string) => {
      const { epoch } = await epochOf(FREE)
      return (await claimShards(db, [{ shard: FREE, epoch, to: `life of ${node}` }])).length
    }
    await holds({ conversation: 2 })
    assert.equal([await claim('old'), await claim('new')], [0, 1])
    assert.equal([...(await handOverShards(db, [{ shard: FREE, to: 'life of old' }], 'life of new'))], [])
    assert.is((await epochOf(FREE)).life, 'life of new', 'it stays where it is known')
    assert.is((await handOverShards(db, [{ shard: FREE, to: 'life of nobody' }], 'life of new'))[0]?.life, '', 'it is free')
    assert.equal([await claim('old'), await claim('new')], [0, 1])
    await holds({ conversation: 1 })
    assert.is((await handOverShards(db, [{ shard: FREE, to: 'life of old' }], 'life of new'))[0]?.life, 'life of old')
  })

  test.run()
}

for (const variant of stores()) fences(variant)
