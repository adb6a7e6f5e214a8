/** What one broken part may cost the others: nothing. Each test is a way in which it once did. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ModelFault } from '../../../actors/answering.ts'
import type { Work } from '../../../actors/work.ts'
import type { AnswerAsk } from '../../../machines/slot.ts'
import { keepChunks, sweepChunks } from '../../../sql/chunks.ts'
import type { Database } from '../../../sql/database.ts'
import { keepEnvelope } from '../../../sql/inbox.ts'
import { shardOf } from '../../../runtime/cluster/shards.ts'
import { asTenant, readAsTenant } from '../../../sql/tenant.ts'
import { demo, keepTenant } from '../../../sql/tenants.ts'
import { handClock } from '../../support/clock.ts'
import { breakable, createHeart, endless, tenant } from '../../support/heart.ts'
import { stores } from '../../support/postgres.ts'
import { until } from '../../support/until.ts'
import { ward } from '../../support/ward.ts'
import { within } from '../../support/within.ts'

for (const variant of stores()) {
  const test = suite(`wounds (${variant.name})`)
  const { db, chat, heart, hearts, rows, replies, finished, crash } = ward(test, variant)
  const wound = (conversation: string, tree: string) =>
    readAsTenant(db(), tenant, (sql) => sql`update actors set tree = ${tree}::jsonb where id = ${conversation}`)

  /** Two conversations with an answer each, one of which nobody can read any more. */
  async function pair() {
    const [broken, whole] = [chat(), chat()]
    const one = await heart()
    for (const c of [broken, whole]) {
      await one.say(c, 'm1')
      await finished(c)
    }
    await wound(broken, '{"v":"?"}')
    return { broken, whole, one }
  }

  test('an actor that cannot be read delays nobody else’s timers', async () => {
    const [broken, whole] = [chat(), chat()]
    const one = await heart()
    await one.say(broken, 'm1', 'a', { window: 500 })
    await one.say(whole, 'm1', 'b', { window: 900 })
    await wound(broken, 'null')
    crash(one)
    const two = await heart({ node: 'n2', clock: handClock(one.clock.now()) })
    await until(async () => {
      await two.clock.pass(250)
      return (await replies(whole)).length > 0
    }, 'the other timer')
    assert.equal(await replies(whole), ['Because of Rayleigh scattering.'])
    assert.equal(await replies(broken), [])
  })

  test('an actor that cannot be read does not keep a node from starting, nor others’ events from being applied', async () => {
    const { broken, whole, one } = await pair()
    const event = { to: 'root', event: { type: 'message.received', message: { id: 'm2', text: 'and the sea?' } } }
    for (const c of [broken, whole])
      await keepEnvelope(db(), { tenant, actor: c, shard: shardOf(c) }, 'message:m2', { envelope: event }, 256)
    crash(one)
    await heart({ node: 'n2' })
    await finished(whole, 2)
  })

  test('however much waits for an actor that cannot be read, the patrol finds the others', async () => {
    const { broken, whole, one } = await pair()
    const event = { envelope: { to: 'root', event: { type: 'message.received', message: { id: 'm2', text: 'and the sea?' } } } }
    // More than the patrol looks at in one round.
    await readAsTenant(
      db(),
      tenant,
      (sql) => sql`
        insert into inbox (tenant_id, actor, shard, dedup_key, envelope)
        select ${tenant}, ${broken}, ${shardOf(broken)}, 'message:' || n, ${sql.json(event)} from generate_series(1, 520) n
      `,
    )
    await keepEnvelope(db(), { tenant, actor: whole, shard: shardOf(whole) }, 'message:m2', event, 256)
    crash(one)
    const two = await heart({ node: 'n2' })
    await until(async () => {
      await two.clock.pass(2_000)
      return (await replies(whole)).length === 2
    }, 'the answer of the other')
  })

  test('an event whose step may or may not have happened stays in the inbox of a node that closes', async () => {
    const c = chat()
    const first = await heart()
    await first.say(c, 'm1')
    await finished(c)
    crash(first)
    let commits = 0
    const deaf = new Proxy(db().sql, {
      apply(sql, self, asked: [TemplateStringsArray, ...unknown[]]) {
        if (!asked[0]?.join?.('').includes('commit_steps')) return Reflect.apply(sql as never, self, asked)
        commits++
        return Promise.reject(new Error('the connection is lost'))
      },
    })
    const two = await heart({ node: 'n2', db: { ...db(), sql: deaf } as Database })
    const event = { envelope: { to: 'root', event: { type: 'message.received', message: { id: 'm2', text: 'and the sea?' } } } }
    await keepEnvelope(db(), { tenant, actor: c, shard: shardOf(c) }, 'message:m2', event, 256)
    let isOver = false
    void two.engine.host.takeIn(tenant, c).then(() => {
      isOver = true
    })
    await until(() => commits > 0, 'the first try')
    two.engine.host.close()
    await until(async () => {
      await two.clock.pass(500)
      return isOver
    }, 'the end')
    assert.is((await rows<{ dedup_key: string }>('inbox', c)).filter(({ dedup_key }) => dedup_key === 'message:m2').length, 1)
  })

  test('an answer that can never be stored ends the turn with a word, and a person is asked', async () => {
    const c = chat()
    const one = await heart()
    const room = one.watch(c)
    // The reply's own id, taken by hand: the door does not let it in.
    await one.say(c, `${c}.t1.1`)
    await until(() => room.has('turn.failed'), 'the end of the turn')
    assert.equal(
      room.of('conversation.state').map(({ value }) => value),
      ['asked'],
    )
    assert.is((await rows('effects', c)).length, 0)
    await one.say(c, 'm2')
    await finished(c)
  })

  test('a stop whose commit nobody heard of reaches the running call all the same', async () => {
    const c = chat()
    const fragile = breakable(db())
    let [began, aborted] = [false, false]
    const one = await heart({
      db: fragile.db,
      fill: () => ({
        answer: (_, work: Work) => {
          began = true
          work.signal.addEventListener('abort', () => {
            aborted = true
          })
          return endless(undefined as never, work)
        },
      }),
    })
    await one.say(c, 'm1')
    await until(() => began, 'the call')
    fragile.fails('after')
    await one.hear(c, { type: 'user.stopped' }).catch(() => undefined)
    await until(async () => {
      await one.clock.pass(500)
      return aborted
    }, 'the abort')
  })

  test('the journal alone says how a conversation began and why a call failed', async () => {
    const c = chat()
    const one = await heart({
      fill: () => ({
        answer: async () => {
          throw new ModelFault('overload', 'the model is busy')
        },
      }),
    })
    const room = one.watch(c)
    await one.say(c, 'm1', 'why?', { attempts: 1 })
    await until(() => room.has('turn.failed'), 'the end of the turn')
    const journal = (await rows<{ version: number; envelope: Record<string, unknown> }>('journal', c)).toSorted(
      (a, b) => a.version - b.version,
    )
    assert.is((journal[0]?.envelope.birth as { conversation: string }).conversation, c)
    const errors = journal.flatMap(({ envelope }) => ('error' in envelope ? [envelope.error] : []))
    assert.equal(errors, [{ name: 'ModelFault', message: 'the model is busy', kind: 'overload' }])
  })

  /** A conversation whose reply has begun and does not go on; its first piece is in the log. */
  async function halfSaid() {
    const c = chat()
    const one = await heart({
      fill: (speeches) => ({
        answer: async (ask: AnswerAsk, work: Work) => {
          speeches.open({ ...work, turn: ask.turn, attempt: ask.attempt }).say('Becau')
          return endless(undefined as never, work)
        },
      }),
    })
    await one.say(c, 'm1')
    await until(async () => {
      await one.clock.pass(100)
      return (await rows('chunks', c)).length === 1
    }, 'the piece in the log')
    return { c, one }
  }

  test('words that a dead node kept are cleared away with their turn', async () => {
    const { c, one } = await halfSaid()
    crash(one)
    await heart({ node: 'n2', clock: handClock(one.clock.now()) })
    await finished(c)
    await until(async () => (await rows('chunks', c)).length === 0, 'the clearing')
  })

  test('pieces of a reply that nobody writes any more are swept away, a portion at a time, and those of one in flight are not', async () => {
    const { c } = await halfSaid()
    const left = chat()
    const pieces = [0, 1, 2].map((start) => ({ tenant, actor: left, turn: 't1', attempt: 1, start, text: 'x' }))
    await keepChunks(db(), pieces, 'l1')
    assert.equal([Number(await sweepChunks(db(), 2)), Number(await sweepChunks(db()))], [2, 1])
    assert.equal([(await rows('chunks', left)).length, (await rows('chunks', c)).length], [0, 1])
  })

  test('the patrol looks for such pieces by itself', async () => {
    const left = chat()
    const one = await heart()
    await keepChunks(db(), [{ tenant, actor: left, turn: 't1', attempt: 1, start: 0, text: 'x' }], 'l1')
    await until(async () => {
      await one.clock.pass(2_000)
      return (await rows('chunks', left)).length === 0
    }, 'the clearing')
  })

  test('after the end the patrol does not begin another round', async () => {
    const left = chat()
    const one = await heart()
    await within(5_000, one.engine.stop(0))
    await keepChunks(db(), [{ tenant, actor: left, turn: 't1', attempt: 1, start: 0, text: 'x' }], 'l1')
    await one.clock.pass(120_000)
    assert.is((await rows('chunks', left)).length, 1)
    await readAsTenant(db(), tenant, (sql) => sql`delete from chunks`)
  })

  test('whoever leaves says how much work is left to others', async () => {
    const one = await heart({ fill: () => ({ answer: endless }) })
    const c = chat()
    await one.say(c, 'm1')
    await until(() => one.engine.runner.count() === 1, 'the answer')
    assert.is(await within(5_000, one.engine.stop(0)), 1)
  })

  test('work that stands under a name nobody has entered is adopted', async () => {
    const c = chat()
    const ghost = createHeart({ db: db(), node: 'ghost', fill: () => ({ validate: endless }) })
    hearts.push(ghost)
    await ghost.say(c, 'm1')
    await until(async () => (await rows<{ src: string }>('effects', c))[0]?.src === 'validate', 'the check')
    crash(ghost)
    await heart({ node: 'n3', clock: handClock(ghost.clock.now()) })
    await finished(c)
  })

  test('work of a node that is gone is adopted once', async () => {
    const c = chat()
    const gone = createHeart({ db: db(), node: 'gone', fill: () => ({ validate: endless }) })
    hearts.push(gone)
    await gone.engine.start()
    await gone.say(c, 'm1')
    await until(async () => (await rows<{ src: string }>('effects', c))[0]?.src === 'validate', 'the check')
    crash(gone)
    await heart({ node: 'n4', clock: handClock(gone.clock.now()), fill: () => ({ validate: endless }) })
    assert.equal(
      (await rows<{ claim_node: string; attempt: number }>('effects', c)).map(({ claim_node, attempt }) => [claim_node, attempt]),
      [['n4', 2]],
    )
  })

  test('a tenant sees itself among the tenants and nobody else', async () => {
    await keepTenant(db(), { id: '11111111-1111-4111-8111-111111111111', name: 'another' })
    const seen = await asTenant(db(), tenant, (sql) => sql<{ id: string }[]>`select id from tenants`)
    assert.equal(
      seen.map(({ id }) => id),
      [demo.id],
    )
  })

  test('no temporary table can stand in the way of a function that runs with rights of its own', async () => {
    const open = await db().sql<{ name: string }[]>`
      select p.oid::regprocedure::text as name from pg_proc p join pg_namespace n on n.oid = p.pronamespace
      where p.prosecdef and n.nspname = current_schema()
        and not exists (select from unnest(p.proconfig) setting where setting like 'search_path=%pg_temp')
    `
    assert.equal([...open], [])
  })

  test.run()
}
