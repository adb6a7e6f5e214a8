import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createPages } from '../../../runtime/gateway/pages.ts'
import { demo } from '../../../sql/tenants.ts'
import { createHeart } from '../../support/heart.ts'
import { lengthen } from '../../support/lengthen.ts'
import { freshStore } from '../../support/store.ts'
import { until } from '../../support/until.ts'

const { db } = await freshStore()
const wish = (after?: number) => ({ after, most: 500, messages: 50 })

/** A conversation with one finished turn, and a store that counts how often it is asked for pages and for positions. */
async function stage() {
  const heart = createHeart({ db })
  const conversation = crypto.randomUUID()
  const watched = heart.watch(conversation)
  await heart.say(conversation, 'm1')
  await until(() => watched.has('turn.finished'))
  const asked = { pages: 0, positions: 0 }
  const count = ([parts]: unknown[]) => {
    if (/read_page/.test(String(parts))) asked.pages++
    if (/conversation_positions/.test(String(parts))) asked.positions++
  }
  const counted = { ...db, sql: new Proxy(db.sql, { apply: (to, self, given) => (count(given), Reflect.apply(to, self, given)) }) }
  let now = 1_000
  const pages = createPages(counted as typeof db, () => now)
  return {
    heart,
    conversation,
    watched,
    read: (after?: number, id = conversation) => pages(demo.id, id, wish(after)),
    asked,
    pass: (ms: number) => (now += ms),
  }
}

test('whoever comes back to a conversation that stands where it stood does not read its page again, and gets the same', async () => {
  const { read, asked } = await stage()
  const first = await read(2)
  assert.ok(first && first.events.length > 2)
  const again = await read(2)
  const later = await read(4)
  assert.is(asked.pages, 1)
  assert.equal(again, first)
  assert.equal(
    later?.events.map(({ seq }) => seq),
    first?.events.map(({ seq }) => seq).filter((seq) => seq > 4),
  )
})

test('whoever has missed more than is kept, and whoever comes after something happened, is told by the store', async () => {
  const { heart, conversation, watched, read, asked } = await stage()
  await read(4)
  assert.is((await read(1))?.events[0]?.seq, 2)
  assert.is(asked.pages, 2)
  const before = await read(1)
  await heart.say(conversation, 'm2')
  await until(() => watched.of('turn.finished').length === 2)
  const after = await read(1)
  assert.is(asked.pages, 3)
  assert.ok((after?.conversation.seq ?? 0) > (before?.conversation.seq ?? 0))
  assert.is(after?.messages.length, 4)
})

test('a crowd that comes back at once asks where its conversations stand by one statement', async () => {
  const { read, asked } = await stage()
  const first = await read(2)
  const crowd = await Promise.all(Array.from({ length: 100 }, () => read(2)))
  assert.ok(crowd.every((page) => page?.conversation.seq === first?.conversation.seq))
  assert.equal(asked, { pages: 1, positions: 1 })
})

test('of a page that was cut short nobody gets a part for the whole', async () => {
  const { conversation, read, asked } = await stage()
  await lengthen(db, conversation, 600)
  const [far, farther] = [await read(0), await read(50)]
  assert.equal([far?.events.length, farther?.events.length], [501, 501])
  assert.is(farther?.events[0]?.seq, 51)
  const { seq } = far?.conversation ?? { seq: 0 }
  assert.is((await read(seq - 10))?.events.length, 10)
  assert.is((await read(seq))?.events.length, 0)
  assert.is(asked.pages, 3)
})

test('two conversations asked about in one moment are not taken for each other', async () => {
  const { heart, conversation } = await stage()
  const other = crypto.randomUUID()
  const watched = heart.watch(other)
  for (const [at, id] of ['m1', 'm2'].entries()) {
    await heart.say(other, id)
    await until(() => watched.of('turn.finished').length === at + 1)
  }
  const asked: string[] = []
  const note = (parts: unknown, id: unknown) => void (/read_page/.test(String(parts)) && asked.push(String(id)))
  const noted = {
    ...db,
    sql: new Proxy(db.sql, { apply: (to, self, given) => (note(given[0], given[2]), Reflect.apply(to, self, given)) }),
  }
  const pages = createPages(noted as typeof db)
  const both = () => Promise.all([conversation, other].map((id) => pages(demo.id, id, wish(2))))
  const first = await both()
  assert.equal(await both(), first)
  assert.is(asked.length, 2, asked.join())
})

test('pages that are too much together are let go, the oldest first', async () => {
  const { conversation, read, asked } = await stage()
  const { conversation: other } = await stage()
  const text = 'x'.repeat(2_500_000)
  for (const id of [conversation, other])
    await db.sql`update events set payload = payload || ${db.sql.json({ text })} where conversation = ${id} and seq = 4`
  for (const id of [conversation, other, other]) await read(2, id)
  assert.is(asked.pages, 2)
  await read(2)
  assert.is(asked.pages, 3)
})

test('a conversation that another node has moved is read again', async () => {
  const { conversation, read } = await stage()
  const before = await read(2)
  const other = createHeart({ db, node: 'another' })
  const theirs = other.watch(conversation)
  await other.say(conversation, 'm2')
  await until(() => theirs.has('turn.finished'))
  const after = await read(2)
  assert.is(after?.messages.length, 4)
  assert.ok((after?.conversation.seq ?? 0) > (before?.conversation.seq ?? 0))
})

test('a store that does not answer refuses, and answers the next', async () => {
  const { conversation, read } = await stage()
  let away = false
  const gone = () => Promise.reject(new Error('the line is cut'))
  const fickle = { ...db, sql: new Proxy(db.sql, { apply: (to, self, given) => (away ? gone() : Reflect.apply(to, self, given)) }) }
  const pages = createPages(fickle as typeof db)
  const page = await pages(demo.id, conversation, wish(2))
  away = true
  const outcomes = await Promise.allSettled([1, 2, 3].map(() => pages(demo.id, conversation, wish(2))))
  assert.ok(outcomes.every(({ status }) => status === 'rejected'))
  away = false
  assert.equal(await pages(demo.id, conversation, wish(2)), page)
  assert.equal(await read(2), page)
})

test('a first reader gets messages and no events', async () => {
  const { read } = await stage()
  const page = await read(1)
  assert.equal(await read(), { ...page, events: [] })
})

test('an unknown conversation is no page', async () => {
  assert.is(await createPages(db)(demo.id, crypto.randomUUID(), wish()), undefined)
})

test.after(() => db.close())
test.run()
