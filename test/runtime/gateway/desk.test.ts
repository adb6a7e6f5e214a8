/** What every door shares, on a real store whose answers can come late. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Principal } from '../../../runtime/gateway/auth.ts'
import { createDesk } from '../../../runtime/gateway/desk.ts'
import { Refusal } from '../../../machines/refusal.ts'
import type { Database } from '../../../sql/database.ts'
import type { Ask } from '../../../runtime/host/host.ts'
import { demo } from '../../../sql/tenants.ts'
import { pglite } from '../../support/postgres.ts'
import { until } from '../../support/until.ts'
import { ward } from '../../support/ward.ts'
import { within } from '../../support/within.ts'

const test = suite('the desk')
const { db, heart, messages } = ward(test, pglite)
const owner: Principal = { tenant: demo, who: 'ann', role: 'owner' }

/** A store with several connections, whose answer to the first question about a conversation is overtaken by all others. */
function overtaken(db: Database): Database {
  let asked = 0
  const sql = new Proxy(db.sql, {
    apply(target, self, args: [TemplateStringsArray, ...unknown[]]) {
      const run = () => Reflect.apply(target as never, self, args) as Promise<unknown>
      if (!args[0]?.join?.('').includes('find_conversation') || asked++ > 0) return run()
      return new Promise((resolve) => setTimeout(resolve, 50)).then(run)
    },
  })
  return { ...db, sql } as Database
}

test('messages sent at once to a new conversation are accepted in the order in which they were sent', async () => {
  const { engine } = await heart()
  const desk = createDesk({ db: overtaken(db()), engine, maxLength: 1_000, policy: {}, isDraining: () => false })
  const conversation = crypto.randomUUID()
  const ids = ['m1', 'm2', 'm3']
  const told = await within(10_000, Promise.all(ids.map((id) => desk.accept(owner, { conversation, id, text: `this is ${id}` }))))
  assert.equal(
    told.map(({ id }) => id),
    ids,
  )
  assert.ok((told[0]?.seq ?? 0) < (told[1]?.seq ?? 0) && (told[1]?.seq ?? 0) < (told[2]?.seq ?? 0), JSON.stringify(told))
  assert.equal(
    (await messages(conversation)).filter(({ role }) => role === 'user').map(({ text }) => text),
    ids.map((id) => `this is ${id}`),
  )
})

test('two who begin the same conversation at once do not share it: it is the first one’s', async () => {
  const { engine } = await heart()
  const begun: string[] = []
  const desk = createDesk({
    db: db(),
    engine,
    maxLength: 1_000,
    policy: {},
    isDraining: () => false,
    begins: (_, __, who) => void begun.push(who),
  })
  const conversation = crypto.randomUUID()
  const stranger: Principal = { tenant: demo, who: 'bob', role: 'visitor' }
  const [mine, theirs, mineToo] = await within(
    10_000,
    Promise.allSettled([
      desk.accept(owner, { conversation, id: 'm1', text: 'mine' }),
      desk.accept(stranger, { conversation, id: 'm2', text: 'mine now' }),
      desk.accept(owner, { conversation, id: 'm3', text: 'mine too' }),
    ]),
  )
  assert.equal([mine.status, mineToo.status], ['fulfilled', 'fulfilled'])
  assert.is(theirs.status === 'rejected' && (theirs.reason as { code: string }).code, 'conversation.unknown')
  assert.equal([...new Set(begun)], ['ann'])
  assert.equal(
    (await messages(conversation)).filter(({ role }) => role === 'user').map(({ text }) => text),
    ['mine', 'mine too'],
  )
})

test('a first message that was refused leaves the conversation to whoever comes next', async () => {
  const { engine } = await heart()
  let isFull = true
  const tell: typeof engine.host.tell = (ask) => (isFull ? Promise.reject(new Refusal('mailbox.full')) : engine.host.tell(ask))
  const desk = createDesk({
    db: db(),
    engine: { ...engine, host: { ...engine.host, tell } },
    maxLength: 1_000,
    policy: {},
    isDraining: () => false,
  })
  const conversation = crypto.randomUUID()
  const [refused] = await Promise.allSettled([desk.accept(owner, { conversation, id: 'm1', text: 'mine' })])
  assert.is(refused.status, 'rejected')
  isFull = false
  const stranger: Principal = { tenant: demo, who: 'bob', role: 'visitor' }
  assert.is((await desk.accept(stranger, { conversation, id: 'm2', text: 'mine now' })).id, 'm2')
  assert.throws(
    () => desk.check(owner && { ...owner, role: 'visitor' }, conversation),
    (error: { code?: string }) => error.code === 'conversation.unknown',
  )
})

test('a stranger does not get an answer because the owner asked in the same moment', async () => {
  const { engine } = await heart()
  const desk = createDesk({ db: overtaken(db()), engine, maxLength: 1_000, policy: {}, isDraining: () => false })
  const conversation = crypto.randomUUID()
  await desk.accept(owner, { conversation, id: 'm1', text: 'mine' })
  const stranger: Principal = { tenant: demo, who: 'bob', role: 'visitor' }
  const both = await within(
    10_000,
    Promise.allSettled([
      desk.accept(owner, { conversation, id: 'm2', text: 'mine too' }),
      desk.accept(stranger, { conversation, id: 'm3', text: 'let me in' }),
    ]),
  )
  assert.equal(
    both.map(({ status }) => status),
    ['fulfilled', 'rejected'],
  )
})

test('a store that hangs is told of, and what it kept all the same is a duplicate when it is sent again', async () => {
  const { engine } = await heart()
  const held: (() => Promise<unknown>)[] = []
  const tell = (ask: Ask) => new Promise<never>(() => held.push(() => engine.host.tell(ask)))
  const usual = { db: db(), engine, maxLength: 1_000, policy: {}, isDraining: () => false }
  const hanging = createDesk({ ...usual, engine: { ...engine, host: { ...engine.host, tell } }, patience: 20 })
  const message = { conversation: crypto.randomUUID(), id: 'm1', text: 'is anybody there?' }
  const codeOf = (work: Promise<unknown>) => within(5_000, work).catch(({ code }: { code: string }) => code)
  assert.is(await codeOf(hanging.accept(owner, message)), 'store.unavailable')
  await until(() => held.length > 0, 'the message on its way')
  for (const arrive of held.splice(0)) await arrive()
  const desk = createDesk(usual)
  assert.equal(await within(5_000, desk.accept(owner, message)), { id: 'm1', seq: 1, duplicate: true })
  assert.is(await codeOf(hanging.stop(owner, message.conversation)), 'store.unavailable')
  assert.is(await codeOf(hanging.clear(owner, message.conversation)), 'store.unavailable')
})

test.run()
