import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createPages } from '../../../runtime/gateway/pages.ts'
import { demo } from '../../../sql/tenants.ts'
import { createHeart } from '../../support/heart.ts'
import { freshStore } from '../../support/store.ts'
import { until } from '../../support/until.ts'

const { db } = await freshStore()
const wish = (after?: number) => ({ after, most: 500, messages: 50 })

/** A conversation with one finished turn, and a store that counts how often it is asked for a page. */
async function stage() {
  const heart = createHeart({ db })
  const conversation = crypto.randomUUID()
  const watched = heart.watch(conversation)
  await heart.say(conversation, 'm1')
  await until(() => watched.has('turn.finished'))
  let asked = 0
  const counted = { ...db, sql: new Proxy(db.sql, { apply: (to, self, given) => (asked++, Reflect.apply(to, self, given)) }) }
  let now = 1_000
  const pages = createPages(counted as typeof db, heart.engine.host, () => now)
  return {
    heart,
    conversation,
    watched,
    read: (after?: number) => pages(demo.id, conversation, wish(after)),
    asked: () => asked,
    pass: (ms: number) => (now += ms),
  }
}

test('whoever comes back to a conversation that stands where it stood costs the store nothing, and gets the same', async () => {
  const { read, asked } = await stage()
  const first = await read(2)
  assert.ok(first && first.events.length > 2)
  const again = await read(2)
  const later = await read(4)
  assert.is(asked(), 1)
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
  assert.is(asked(), 2)
  const before = await read(1)
  await heart.say(conversation, 'm2')
  await until(() => watched.of('turn.finished').length === 2)
  const after = await read(1)
  assert.is(asked(), 3)
  assert.ok((after?.conversation.seq ?? 0) > (before?.conversation.seq ?? 0))
  assert.is(after?.messages.length, 4)
})

test('a first reader gets messages and no events', async () => {
  const { read } = await stage()
  const page = await read(1)
  assert.equal(await read(), { ...page, events: [] })
})

test('an unknown conversation is no page', async () => {
  const { heart } = await stage()
  assert.is(await createPages(db, heart.engine.host)(demo.id, crypto.randomUUID(), wish()), undefined)
})

test.after(() => db.close())
test.run()
