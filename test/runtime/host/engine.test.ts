/** The heart on a real store: PGlite always, a server where TEST_DATABASE_URL names one. */
import { randomUUID } from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Filling } from '../../../actors/work.ts'
import type { AnswerAsk } from '../../../machines/slot.ts'
import { createCommitter } from '../../../runtime/host/committer.ts'
import { defaultLimits } from '../../../runtime/host/host.ts'
import type { Database, Transaction } from '../../../sql/database.ts'
import { keepEnvelope } from '../../../sql/inbox.ts'
import { shardOf } from '../../../runtime/cluster/shards.ts'
import { type StepRow, commitSteps } from '../../../sql/steps.ts'
import { readAsTenant } from '../../../sql/tenant.ts'
import { handClock } from '../../support/clock.ts'
import { breakable, createHeart, endless, speaking, tenant } from '../../support/heart.ts'
import { stores } from '../../support/postgres.ts'
import { draft } from '../../support/samples.ts'
import { until } from '../../support/until.ts'
import { ward } from '../../support/ward.ts'
import { within } from '../../support/within.ts'

for (const variant of stores()) {
  const test = suite(`the heart (${variant.name})`)
  const { db, chat, heart, hearts, rows, messages, replies, finished, crash } = ward(test, variant)

  // The fenced step -----------------------------------------------------------------------------------------------------

  const row = (actor: string, version: number, more: Partial<StepRow> = {}): StepRow => ({
    tenant,
    actor,
    kind: 'conversation',
    shard: 1,
    version,
    epoch: 0,
    machine: 1,
    tree: { v: version + 1 },
    dedup: null,
    pending: false,
    envelope: { to: 'root', event: { type: 'x' } },
    now: 1_000_000,
    done: null,
    calls: [{ id: `${version + 1}:1`, addr: 'root/w', src: 'none', input: null }],
    cancels: [`${version}:1`],
    timers: [{ id: `${version + 1}:0`, at: 9_000_000_000_000 }],
    disarms: [`${version}:0`],
    emits: [],
    usage: [],
    orders: [],
    about: { seq: 0, owner: 'o', channel: 'web' },
    ...more,
  })
  const me = { node: 'n1', life: 'l1' }
  const commit = async (...steps: StepRow[]) => commitSteps(db(), steps, me)

  test('a step moves its actor by one version, and a stale version is fenced', async () => {
    const c = chat()
    assert.equal(await commit(row(c, 0)), ['done'])
    assert.equal(await commit(row(c, 1)), ['done'])
    assert.equal(await commit(row(c, 1)), ['fenced'])
    assert.equal(await commit(row(c, 0)), ['fenced'])
  })

  test('only the epoch of the shard gets in, and a newer one shuts the door behind it', async () => {
    const [c, d] = [chat(), chat()]
    const own = { shard: 9 }
    assert.equal(await commit(row(c, 0, own)), ['done'])
    await db().sql`update shards set epoch = 1 where shard = 9`
    assert.equal(await commit(row(c, 1, own), row(d, 0, own)), ['ousted', 'ousted'])
    assert.equal(await commit(row(c, 1, { ...own, epoch: 1 }), row(d, 0)), ['done', 'done'])
    assert.equal(await commit(row(c, 2, { ...own, epoch: 2 })), ['ousted'])
    await db().sql`update shards set epoch = 0 where shard = 9`
    // The row itself remembers: no shard may ever go back.
    assert.equal(await commit(row(c, 2, own)), ['fenced'])
  })

  test('a key that is known makes the step a duplicate, which changes nothing', async () => {
    const c = chat()
    await commit(row(c, 0, { dedup: 'k' }))
    assert.equal(await commit(row(c, 1, { dedup: 'k' })), ['duplicate'])
    assert.is((await rows('journal', c)).length, 1)
  })

  test('a fenced step leaves nothing behind', async () => {
    const c = chat()
    await commit(row(c, 0), row(`${c}x`, 0))
    await commit(
      row(c, 5, {
        dedup: 'k',
        calls: [{ id: '6:9', addr: 'root/w', src: 'none', input: null }],
        cancels: ['1:1'],
        timers: [{ id: '6:8', at: 1 }],
        disarms: ['1:0'],
      }),
    )
    assert.equal([(await rows('inbox', c)).length, (await rows('journal', c)).length], [0, 1])
    assert.equal(
      (await rows<{ id: string }>('effects', c)).map(({ id }) => id),
      ['1:1'],
    )
    assert.equal(
      (await rows<{ id: string }>('timers', c)).map(({ id }) => id),
      ['1:0'],
    )
  })

  test('of four owners at one version exactly one wins', async () => {
    const c = chat()
    await commit(row(c, 0))
    const outcomes = await within(10_000, Promise.all([1, 2, 3, 4].map(() => commit(row(c, 1)))))
    assert.equal(outcomes.flat().sort(), ['done', 'fenced', 'fenced', 'fenced'])
  })

  test('of four births of one actor exactly one wins', async () => {
    const c = chat()
    const outcomes = await within(10_000, Promise.all([1, 2, 3, 4].map(() => commit(row(c, 0)).catch(() => ['fenced'] as const))))
    assert.is(outcomes.flat().filter((outcome) => outcome === 'done').length, 1)
    assert.is((await rows('journal', c)).length, 1)
  })

  test('the journal has one entry for each version, one timer armed and the one before it disarmed', async () => {
    const c = chat()
    for (let version = 0; version < 5; version++) await commit(row(c, version))
    assert.equal((await rows<{ version: number }>('journal', c)).map(({ version }) => version).sort(), [1, 2, 3, 4, 5])
    assert.equal(
      (await rows<{ id: string }>('timers', c)).map(({ id }) => id),
      ['5:0'],
    )
    assert.equal(
      (await rows<{ id: string }>('effects', c)).map(({ id }) => id),
      ['5:1'],
    )
  })

  test('in one batch each row has its own fate', async () => {
    const [a, b, c] = [chat(), chat(), chat()]
    await commit(row(a, 0), row(b, 0, { dedup: 'k' }))
    assert.equal(await commit(row(a, 1), row(b, 1, { dedup: 'k' }), row(`${a}y`, 7), row(c, 0)), ['done', 'duplicate', 'fenced', 'done'])
  })

  test('a step finds every row by its key, however many there are', async () => {
    const c = chat()
    await commit(row(c, 0, { dedup: 'k0' }))
    const scans = (sql: Transaction) => sql<{ name: string; scans: number }[]>`
      select relname as name, seq_scan as scans from pg_stat_xact_user_tables where schemaname = current_schema() order by relname
    `
    await db().sql.begin(async (sql) => {
      const before = await scans(sql)
      await commitSteps({ sql } as unknown as Database, [row(c, 1, { dedup: 'k1', emits: [{ seq: 1, name: 'x', payload: {} }] })], me)
      assert.equal([...(await scans(sql))], [...before])
    })
  })

  test('the ten-thousandth work order has a number of its own, and so has every one after it', async () => {
    const [c, d] = [chat(), chat()]
    const opening = { orders: [{ turn: 't1', status: 'queued', owner: 'admin', opens: true }] }
    const numberOf = async (actor: string) =>
      (await readAsTenant(db(), tenant, (sql) => sql`select number from work_orders where conversation = ${actor}`))[0]?.number
    await db().sql`select setval('work_order_numbers', 999)`
    assert.equal(await commit(row(c, 0, opening)), ['done'])
    assert.match(await numberOf(c), /^WO-\d{8}-1000$/)
    await db().sql`select setval('work_order_numbers', 9999)`
    assert.equal(await commit(row(d, 0, opening)), ['done'])
    assert.match(await numberOf(d), /^WO-\d{8}-10000$/)
  })

  test('steps of two tenants share a statement, and each writes to its own alone', async () => {
    const [c, d] = [chat(), chat()]
    const theirs = randomUUID()
    assert.equal(await commit(row(c, 0), row(d, 0, { tenant: theirs })), ['done', 'done'])
    // The same name elsewhere is another actor, and whoever brings another tenant finds nothing to move.
    assert.equal(await commit(row(c, 1, { tenant: theirs }), row(d, 1, { tenant: theirs }), row(c, 1)), ['fenced', 'done', 'done'])
    assert.equal([(await rows('journal', c)).length, (await rows('journal', d)).length], [2, 0])
    const other = await readAsTenant(db(), theirs, (sql) => sql<{ actor: string }[]>`select distinct actor from journal`)
    assert.equal(
      other.map(({ actor }) => actor),
      [d],
    )
  })

  if (variant.name === 'postgres') {
    test('a row that another session holds keeps its own conversation waiting and none of the others', async () => {
      const all = Array.from({ length: 32 }, chat)
      const held = all[7] as string
      await commit(...all.map((c) => row(c, 0)))
      const { commit: send } = createCommitter(db(), { ownership: { me } })
      const told = new Set<string>()
      const steps: Promise<unknown>[] = []
      await db().sql.begin(async (sql) => {
        await sql`select from actors where id = ${held} for update`
        for (const c of all) steps.push(send(row(c, 1)).then(() => told.add(c)))
        await within(10_000, Promise.all(steps.filter((_, at) => at !== 7)))
        assert.is(told.size, 31)
        assert.is(told.has(held), false)
      })
      await within(10_000, Promise.all(steps))
      assert.is((await rows('journal', held)).length, 2)
    })
  }

  // A turn ----------------------------------------------------------------------------------------------------------------

  test('a turn runs from the message to the reply with four commits', async () => {
    const c = chat()
    const broken = breakable(db())
    const one = await heart({ db: broken.db })
    const room = one.watch(c)
    await one.say(c, 'm1')
    await until(() => room.has('turn.finished'), 'the end of the turn')
    assert.is(broken.commits(), 4)
    assert.equal(await replies(c), ['Because of Rayleigh scattering.'])
    assert.equal(
      room.names().filter((name) => !/status|delta/.test(name)),
      ['message.accepted', 'turn.started', 'turn.classified', 'reply.finished', 'turn.finished'],
    )
  })

  test('the durable events are numbered without gaps, in the store as on the bus', async () => {
    const c = chat()
    const one = await heart()
    const room = one.watch(c)
    await one.say(c, 'm1')
    await until(() => room.has('turn.finished'))
    const told = room.frames.flatMap(({ payload }) => ('seq' in payload ? [payload.seq as number] : []))
    assert.equal(told, [1, 2, 3, 4, 5])
    const kept = await readAsTenant(
      db(),
      tenant,
      (sql) => sql<{ seq: number }[]>`select seq from events where conversation = ${c} order by seq`,
    )
    assert.equal(
      kept.map(({ seq }) => seq),
      told,
    )
  })

  test('the same message twice is one turn', async () => {
    const c = chat()
    const one = await heart()
    const told = await Promise.all([one.say(c, 'm1'), one.say(c, 'm1'), one.say(c, 'm1')])
    assert.equal(told.map(({ duplicate }) => duplicate).sort(), [false, true, true])
    await finished(c)
    await one.engine.host.idle()
    assert.is((await messages(c)).length, 2)
  })

  test('nothing is left when a turn is over: no work, no timer, no words in the log', async () => {
    const c = chat()
    const one = await heart()
    const room = one.watch(c)
    await one.say(c, 'm1')
    await until(() => room.has('turn.finished'))
    assert.is(await one.engine.stop(1_000), 0)
    assert.equal([(await rows('effects', c)).length, (await rows('timers', c)).length, (await rows('chunks', c)).length], [0, 0, 0])
  })

  test('what watchers have put together is the text that is stored, however it was split', async () => {
    const texts = ['plain', 'Größe 👩‍👩‍👧 und 🎉', 'a\0b', 'half \ud83d and whole \ud83d\ude00', '𝒳𝒴𝒵'.repeat(400)]
    for (const [at, text] of texts.entries()) {
      const c = chat()
      const pieces: string[] = []
      for (let from = 0; from < text.length; ) {
        const size = 1 + ((from * 7 + at * 3) % 5)
        pieces.push(text.slice(from, from + size))
        from += size
      }
      const one = await heart({ fill: (speeches) => ({ answer: speaking(speeches, pieces) as Filling<never, unknown> }) })
      const room = one.watch(c)
      await one.say(c, 'm1')
      await until(() => room.has('turn.finished'))
      let assembled = ''
      for (const { offset, text: piece } of room.of<{ offset: number; text: string }>('reply.delta')) {
        assert.is(offset, assembled.length, 'offsets are contiguous')
        assembled += piece
      }
      assert.is(assembled, (await replies(c))[0])
      assert.ok(assembled.isWellFormed())
    }
  })

  test('a stop keeps what was said, as stored as it was heard', async () => {
    const c = chat()
    const one = await heart({
      fill: (speeches) => ({
        answer: (async (ask: AnswerAsk, work: Parameters<typeof endless>[1]) => {
          const voice = speeches.open({ ...work, turn: ask.turn, attempt: ask.attempt })
          voice.say('Because ')
          voice.say('of')
          try {
            return await endless(undefined as never, work)
          } finally {
            voice.end()
          }
        }) as Filling<never, unknown>,
      }),
    })
    const room = one.watch(c)
    await one.say(c, 'm1')
    await until(() => room.has('reply.delta'))
    await one.hear(c, { type: 'user.stopped' })
    await until(() => room.has('turn.stopped'))
    assert.equal(await replies(c), ['Because of'])
    assert.is(
      room
        .of<{ text: string }>('reply.delta')
        .map(({ text }) => text)
        .join(''),
      'Because of',
    )
  })

  // Poison ----------------------------------------------------------------------------------------------------------------

  test('a poison event is set aside after three tries while the conversation goes on', async () => {
    const c = chat()
    const one = await heart()
    await one.say(c, 'm1')
    await finished(c)
    await assert_refused(one.hear(c, { type: 'message.received' }), 'step.failed')
    assert.is((await rows('dead_letters', c)).length, 1)
    await one.say(c, 'm2')
    await finished(c, 2)
  })

  test('an answer that the store cannot hold ends in a failed turn instead of silence', async () => {
    const c = chat()
    const one = await heart({ fill: () => ({ answer: async () => draft('fine', { citations: [{ id: 'x', title: 'a NUL \0' }] }) }) })
    const room = one.watch(c)
    await one.say(c, 'm1')
    await until(() => room.has('turn.failed'), 'the failure')
    assert.is(room.of('turn.failed')[0]?.code, 'answer.failed')
    assert.is((await rows('dead_letters', c)).length, 3)
  })

  test('a step that cannot be stored harms no other of its batch', async () => {
    const [good, bad] = [chat(), chat()]
    const one = await heart()
    await one.say(good, 'm1')
    await finished(good)
    const told = await Promise.allSettled([one.say(good, 'm2'), one.say(bad, 'm1', 'a NUL \0'), one.say(chat(), 'm1')])
    assert.equal(
      told.map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled'],
    )
    await finished(good, 2)
  })

  test('two messages of one id under two keys: the second is set aside, and the conversation goes on', async () => {
    const c = chat()
    const one = await heart()
    await one.say(c, 'm1')
    await finished(c)
    const again = one.engine.host.tell({
      tenant,
      actor: c,
      dedup: 'another',
      envelope: { to: 'root', event: { type: 'message.received', message: { id: 'm1', text: 'x' } } },
    })
    await assert_refused(within(5_000, again), 'step.failed')
    await one.say(c, 'm2')
    await finished(c, 2)
  })

  test('a timer whose event is poison rings once and not for ever', async () => {
    const c = chat()
    const one = await heart()
    await one.say(c, 'm1', 'hello', { window: 5_000 })
    // The chart that is stored has lost what the timer needs.
    await readAsTenant(
      db(),
      tenant,
      (sql) => sql`update actors set tree = jsonb_set(tree, '{actors,root,value}', '"renamed"') where id = ${c}`,
    )
    crash(one)
    const two = await heart({ node: 'n2', clock: handClock(one.clock.now()) })
    await until(async () => {
      await two.clock.pass(1_000)
      return (await rows('dead_letters', c)).length > 0
    }, 'the dead letter')
    for (let n = 0; n < 10; n++) {
      await two.clock.pass(1_000)
      await rows('timers', c)
    }
    assert.is((await rows('dead_letters', c)).length, 1)
    assert.is((await rows('timers', c)).length, 0)
  })

  // Bounds ----------------------------------------------------------------------------------------------------------------

  test('a full mailbox refuses with nothing half accepted', async () => {
    const c = chat()
    const one = await heart({ limits: { ...defaultLimits, perActor: 4 }, fill: () => ({ classify: endless }) })
    const told = await Promise.allSettled(Array.from({ length: 10 }, (_, n) => one.say(c, `m${n}`)))
    assert.is(told.filter(({ status }) => status === 'fulfilled').length, 4)
    assert.ok(told.every((one) => one.status === 'fulfilled' || (one.reason as { code: string }).code === 'mailbox.full'))
    assert.is((await rows('inbox', c)).length, 4)
    assert.is((await messages(c)).length, 4)
  })

  test('the bound of a tenant counts all its conversations', async () => {
    const one = await heart({ limits: { ...defaultLimits, perTenant: 3 } })
    const told = await Promise.allSettled(Array.from({ length: 6 }, () => one.say(chat(), 'm1')))
    assert.is(told.filter(({ status }) => status === 'fulfilled').length, 3)
  })

  test('a chart that refuses leaves the key of the sender free', async () => {
    const c = chat()
    const one = await heart({ fill: () => ({ answer: endless }) })
    await one.say(c, 'm1', 'x', { whileBusy: 'reject' })
    const told = await one.say(c, 'm2')
    assert.is(!told.duplicate && told.step.emits[0]?.event.type, 'message.refused')
    assert.is((await rows('inbox', c)).length, 1)
  })

  test('trees that are let go are found again, and nothing is lost', async () => {
    const one = await heart({ limits: { ...defaultLimits, residents: 2 } })
    const all = Array.from({ length: 6 }, chat)
    for (const id of ['m1', 'm2']) await Promise.all(all.map((c) => one.say(c, id)))
    for (const c of all) await finished(c, 2)
    await one.engine.host.idle()
    assert.ok(one.engine.host.counts().residents <= 6)
  })

  test('events for one conversation keep their order also when the node has no room for it', async () => {
    const [a, b] = [chat(), chat()]
    const one = await heart({ limits: { ...defaultLimits, residents: 1 }, fill: () => ({ classify: endless }) })
    const order = ['m0', 'm1', 'm2', 'm3', 'm4']
    await Promise.all([one.say(a, 'x'), ...order.map((id) => one.say(b, id, id))])
    assert.equal(
      (await messages(b)).map(({ text }) => text),
      order,
    )
  })

  // A commit of unknown fate --------------------------------------------------------------------------------------------------

  for (const way of ['before', 'after'] as const) {
    test(`a connection that dies ${way} the commit of an answer neither loses nor doubles it, and watchers hear it`, async () => {
      const c = chat()
      const broken = breakable(db())
      let asked = 0
      const one = await heart({
        db: broken.db,
        fill: (speeches) => ({
          answer: (async (ask: AnswerAsk, work: Parameters<typeof endless>[1]) => {
            asked++
            broken.fails(way)
            return speaking(speeches, ['Because.'])(ask, work)
          }) as Filling<never, unknown>,
        }),
      })
      const room = one.watch(c)
      await one.say(c, 'm1')
      await until(async () => {
        await one.clock.pass(50)
        return room.has('turn.finished')
      }, 'the end of the turn')
      assert.is(asked, 1)
      assert.equal(await replies(c), ['Because.'])
      assert.equal(room.names().filter((name) => name === 'reply.finished').length, 1)
    })

    test(`a connection that dies ${way} the birth: the sender is told to try again, and the second try is answered once`, async () => {
      const c = chat()
      const broken = breakable(db())
      const one = await heart({ db: broken.db })
      const room = one.watch(c)
      broken.fails(way)
      await assert_refused(one.say(c, 'm1'), 'store.unavailable')
      assert.is((await one.say(c, 'm1')).duplicate, way === 'after')
      await until(() => room.has('turn.finished'), 'the end of the turn')
      assert.equal(await replies(c), ['Because of Rayleigh scattering.'])
      assert.equal(room.of('message.accepted').length, 1)
    })
  }

  test('a message whose commit nobody heard of is answered although its sender never comes back', async () => {
    const c = chat()
    const broken = breakable(db())
    const one = await heart({ db: broken.db })
    const room = one.watch(c)
    broken.fails('after')
    await assert_refused(one.say(c, 'm1'), 'store.unavailable')
    await until(async () => {
      await one.clock.pass(500)
      return room.has('turn.finished')
    }, 'the end of the turn')
    assert.equal(room.of('message.accepted').length, 1)
  })

  test('a commit that arrives after it was given up is found by whoever is fenced by it', async () => {
    const c = chat()
    const broken = breakable(db())
    const one = await heart({ db: broken.db })
    await one.say(c, 'm1')
    await finished(c)
    await one.engine.host.idle()
    const room = one.watch(c)
    broken.fails('late')
    await assert_refused(one.say(c, 'm2'), 'store.unavailable')
    // The node looks, finds nothing and goes on with a warm copy; only then the statement lands.
    await until(async () => {
      await one.clock.pass(500)
      return one.engine.host.position(tenant, c) !== undefined && one.clock.waiting() <= 2
    }, 'the look')
    await broken.arrive()
    await one.say(c, 'm3')
    await finished(c, 3)
    assert.equal(
      room.of<{ message: { id: string } }>('message.accepted').map(({ message }) => message.id),
      ['m2', 'm3'],
    )
  })

  // After a crash -----------------------------------------------------------------------------------------------------------

  test('an answer that died with its node is withdrawn and written again as attempt 2', async () => {
    const c = chat()
    const one = await heart({
      fill: (speeches) => ({
        answer: (async (ask: AnswerAsk, work: Parameters<typeof endless>[1]) => {
          speeches.open({ ...work, turn: ask.turn, attempt: ask.attempt }).say('Becau')
          return endless(undefined as never, work)
        }) as Filling<never, unknown>,
      }),
    })
    const before = one.watch(c)
    await one.say(c, 'm1')
    await until(() => before.has('reply.delta'))
    crash(one)
    const two = createHeart({ db: db(), node: 'n1', clock: handClock(one.clock.now()) })
    hearts.push(two)
    const room = two.watch(c)
    await within(10_000, two.engine.start())
    await until(() => room.has('turn.finished'), 'the end of the turn')
    assert.equal(
      room.of('reply.retracted').map(({ attempt, reason }) => [attempt, reason]),
      [[1, 'node.lost']],
    )
    assert.equal(
      room.of('reply.finished').map(({ attempt }) => attempt),
      [2],
    )
    assert.equal(await replies(c), ['Because of Rayleigh scattering.'])
  })

  test('sorting that died with its node is done again', async () => {
    const c = chat()
    const one = await heart({ fill: () => ({ classify: endless }) })
    await one.say(c, 'm1')
    crash(one)
    const two = await heart({ clock: handClock(one.clock.now()) })
    await finished(c)
    await two.engine.host.idle()
    assert.is((await rows('effects', c)).length, 0)
  })

  test('a node with very much work of its own left behind comes up again', async () => {
    const c = chat()
    const calls = Array.from({ length: 620 }, (_, n) => ({ id: `1:${n}`, addr: 'root/w', src: 'nobody', input: null }))
    await commit(row(c, 0, { calls, cancels: [], timers: [], disarms: [] }))
    const one = createHeart({ db: db(), node: 'n1' })
    hearts.push(one)
    await within(15_000, one.engine.start(), 'the start')
    const [most] = await readAsTenant(
      db(),
      tenant,
      (sql) => sql<{ most: number }[]>`select coalesce(max(attempt), 2) as most from effects where actor = ${c}`,
    )
    assert.is(most?.most, 2)
    crash(one)
  })

  test('work that is ours although nobody told us is found, and begun again once', async () => {
    const c = chat()
    const one = await heart({ fill: () => ({ classify: endless }) })
    let asked = 0
    const two = await heart({
      fill: () => ({
        classify: (async () => {
          asked++
          return {}
        }) as Filling<never, unknown>,
      }),
    })
    await one.say(c, 'm1')
    one.engine.runner.abandon()
    one.engine.host.close()
    // As an adoption leaves it whose answer got lost.
    await readAsTenant(db(), tenant, (sql) => sql`update effects set claim_life = ${two.life}, claim_node = 'n2' where actor = ${c}`)
    await until(async () => {
      await two.clock.pass(500)
      return (await replies(c)).length === 1
    }, 'the answer')
    assert.is(asked, 1)
  })

  test('timers survive a restart', async () => {
    const c = chat()
    const one = await heart()
    await one.say(c, 'm1', 'hello there', { window: 60_000 })
    crash(one)
    const two = await heart({ clock: handClock(one.clock.now()) })
    const room = two.watch(c)
    await two.clock.pass(59_000)
    assert.not.ok(room.has('turn.started'))
    await until(async () => {
      await two.clock.pass(500)
      return room.has('turn.finished')
    }, 'the end of the turn')
  })

  test('what was kept in the inbox is applied at the start, and once', async () => {
    const c = chat()
    const quiet = createHeart({ db: db() })
    const kept = {
      envelope: { to: 'root', event: { type: 'message.received', message: { id: 'm1', text: 'kept' } } },
      birth: quiet.birth(c),
    }
    const keep = () => keepEnvelope(db(), { tenant, actor: c, shard: shardOf(c) }, 'message:m1', kept, 256)
    assert.equal([await keep(), await keep()], ['kept', 'waiting'])
    const one = await heart()
    await finished(c)
    assert.is((await one.say(c, 'm1')).duplicate, true)
    assert.equal(
      (await rows<{ applied_version: number | null; envelope: unknown }>('inbox', c)).map(({ applied_version, envelope }) => [
        applied_version,
        envelope,
      ]),
      [[1, null]],
    )
  })

  test('an owner that was overtaken drops its copy and goes on from what is stored', async () => {
    const c = chat()
    const [one, two] = [await heart({ node: 'n1' }), await heart({ node: 'n2' })]
    await one.say(c, 'm1')
    await finished(c)
    await one.engine.host.idle()
    await two.say(c, 'm2')
    await finished(c, 2)
    await two.engine.host.idle()
    await one.say(c, 'm3')
    await finished(c, 3)
    const journal = (await rows<{ version: number }>('journal', c)).map(({ version }) => version).sort((a, b) => a - b)
    assert.equal(
      journal,
      journal.map((_, at) => at + 1),
    )
  })

  test('two nodes that both believe they own a conversation lose and double nothing', async () => {
    const c = chat()
    const pair = [
      await heart({ node: 'n1', fill: () => ({ classify: endless }) }),
      await heart({ node: 'n2', fill: () => ({ classify: endless }) }),
    ]
    const ids = Array.from({ length: 20 }, (_, n) => `m${n}`)
    const told = await within(30_000, Promise.allSettled(ids.flatMap((id) => pair.map((one) => one.say(c, id)))))
    assert.ok(told.every(({ status }) => status === 'fulfilled'))
    assert.is((await messages(c)).length, 20)
  })

  test.run()
}

async function assert_refused(told: Promise<unknown>, code: string) {
  const why = await told.then(
    () => 'accepted',
    (error: { code?: string }) => error.code ?? String(error),
  )
  assert.is(why, code)
}
