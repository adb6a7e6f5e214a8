/** Events for actors that live elsewhere: durable first, and an answer to everybody who asked. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createDispatch } from '../../../runtime/cluster/dispatch.ts'
import type { Letter } from '../../../runtime/cluster/post.ts'
import { shardOf } from '../../../runtime/cluster/shards.ts'
import { waitingFor } from '../../../sql/inbox.ts'
import { handClock } from '../../support/clock.ts'
import { tenant } from '../../support/heart.ts'
import { stores } from '../../support/postgres.ts'
import { until } from '../../support/until.ts'
import { ward } from '../../support/ward.ts'
import { within } from '../../support/within.ts'

for (const variant of stores()) {
  const test = suite(`dispatching (${variant.name})`)
  const { db, chat } = ward(test, variant)

  const me = { node: 'here', life: 'here' }
  const step = { emits: [{ addr: 'root', seq: 1, event: { type: 'message.accepted' } }], cancels: [], disarms: [] }

  function open(owner: string | undefined = 'there') {
    const clock = handClock()
    const letters: Letter[] = []
    const taken: string[] = []
    const dispatch = createDispatch({
      db: db(),
      membership: () => ({
        me,
        shardOf,
        ownerOf: () => (owner === undefined ? undefined : ({ node: owner, life: owner } as never)),
      }),
      send: (_, letter) => void letters.push(letter),
      takeIn: (_, actor) => void taken.push(actor),
      clock,
      most: 3,
    })
    const ask = (actor: string, id: string) =>
      dispatch.elsewhere({ tenant, actor, dedup: `message:${id}`, envelope: { to: 'root', event: { type: 'message.received' } } })
    const waiting = (actor: string) => waitingFor(db(), { tenant, actor, shard: shardOf(actor) }, 10)
    return { dispatch, clock, letters, taken, ask, waiting }
  }

  test('an event is durable before its owner hears of it, in the order in which it came', async () => {
    const c = chat()
    const { ask, waiting, letters } = open()
    await ask(c, 'm1')
    await ask(c, 'm2')
    assert.equal(
      (await waiting(c)).map(({ dedup }) => dedup),
      ['message:m1', 'message:m2'],
    )
    assert.equal(
      letters.map(({ type }) => type),
      ['wake', 'wake'],
    )
  })

  test('the same message told several times at once is kept once, and everybody hears what became of it', async () => {
    const c = chat()
    const { ask, dispatch, waiting } = open()
    const asks = await Promise.all([ask(c, 'm1'), ask(c, 'm1'), ask(c, 'm1')])
    assert.is((await waiting(c)).length, 1)
    const echoed = dispatch.hear({ type: 'echo', name: `${tenant}/${c}#message:m1`, echo: { effect: step } })
    assert.is(echoed, true)
    const told = await within(1_000, Promise.all(asks.map((one) => one.told)))
    assert.equal(told, Array(3).fill({ duplicate: false, step }))
    assert.is(dispatch.counts().waiting, 0)
  })

  test('a lost echo is looked up, and a late one still says more', async () => {
    const c = chat()
    const { ask, clock, dispatch } = open()
    const [one, two] = [await ask(c, 'm1'), await ask(c, 'm2')]
    await db().sql`update inbox set applied_version = 1, envelope = null where actor = ${c}`
    await clock.pass(250)
    dispatch.hear({ type: 'echo', name: `${tenant}/${c}#message:m2`, echo: { effect: step } })
    assert.equal(await within(1_000, two.told), { duplicate: false, step })
    await until(async () => {
      await clock.pass(500)
      return dispatch.counts().waiting === 0
    }, 'the look')
    assert.equal(await within(1_000, one.told), { duplicate: true })
  })

  test('nobody waits for ever, and whoever asks again finds what was kept', async () => {
    const c = chat()
    const { ask, clock, dispatch } = open(undefined)
    const { told } = await ask(c, 'm1')
    const refused = told.then(
      () => 'told',
      (error: { code?: string }) => error.code,
    )
    await until(async () => {
      await clock.pass(500)
      return dispatch.counts().waiting === 0
    }, 'the end of the patience')
    assert.is(await refused, 'store.unavailable')
    await db().sql`update inbox set applied_version = 1, envelope = null where actor = ${c}`
    assert.equal(await (await ask(c, 'm1')).told, { duplicate: true })
  })

  test('a word that comes to the owner of before is passed on, once', async () => {
    const c = chat()
    const wake = { type: 'wake', tenant, actor: c }
    const before = open('there')
    before.dispatch.hear(wake)
    assert.equal([before.letters, before.taken], [[{ ...wake, isPassedOn: true }], []])
    // Whoever it is passed on to may not have heard either: then the look of the one who waits finds the owner.
    before.dispatch.hear({ ...wake, isPassedOn: true })
    assert.equal([before.letters.length, before.taken], [1, [c]])
    const now = open('here')
    now.dispatch.hear(wake)
    assert.equal([now.letters, now.taken], [[], [c]])
  })

  test('beyond the bound nothing is kept', async () => {
    const c = chat()
    const { ask, waiting } = open()
    for (const id of ['m1', 'm2', 'm3']) await ask(c, id)
    assert.is(
      await ask(c, 'm4').then(
        () => 'kept',
        (error: { code?: string }) => error.code,
      ),
      'mailbox.full',
    )
    assert.is((await waiting(c)).length, 3)
  })

  test.run()
}
