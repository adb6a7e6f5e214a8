import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createKnowledge } from '../../actors/knowledge.ts'
import { keepTenant } from '../../sql/tenants.ts'
import { freshStore } from '../support/store.ts'
import { within } from '../support/within.ts'

const store = await within(60_000, freshStore(), 'the store')
const acme = '00000000-0000-4000-8000-00000000000a'
const globex = '00000000-0000-4000-8000-00000000000b'
for (const id of [acme, globex]) await keepTenant(store.db, { id, name: id })
let now = 0
const knowledge = createKnowledge(store.db, () => now)
test.after(() => store.close())

const guide = {
  kb: 'docs',
  externalId: 'guide.md',
  title: 'Guide',
  content: '# Guide\n\n## Refunds\n\nRefunds are paid within fourteen days.\n\n## Delivery\n\nParcels to Norway take five days.',
}

test('a document can be asked as soon as it is in', async () => {
  assert.equal(await knowledge.search(acme, 'When are refunds paid?'), [])
  assert.is(await knowledge.add(acme, guide), true)
  const [best] = await knowledge.search(acme, 'When are refunds paid?')
  assert.equal(
    [best?.title, best?.text, best?.quote],
    ['Guide › Refunds', 'Refunds are paid within fourteen days.', 'Refunds are paid within fourteen days.'],
  )
  assert.ok(best?.id && (best.score ?? 0) > 0.5)
})

test('the same document again changes nothing', async () => {
  assert.is(await knowledge.add(acme, guide), false)
})

test('nobody finds what another tenant knows', async () => {
  assert.equal(await knowledge.search(globex, 'When are refunds paid?'), [])
})

test('a question that shares no word finds nothing', async () => {
  assert.equal(await knowledge.search(acme, 'purple zebras'), [])
})

test('a document takes the place of its former self', async () => {
  await knowledge.add(acme, { ...guide, content: '# Guide\n\n## Refunds\n\nRefunds are paid within thirty days.' })
  const found = await knowledge.search(acme, 'refunds paid')
  assert.equal(
    found.map(({ text }) => text),
    ['Refunds are paid within thirty days.'],
  )
})

test('what another node took in is found two seconds later', async () => {
  await knowledge.search(acme, 'warranty')
  await createKnowledge(store.db, () => now).add(acme, {
    kb: 'docs',
    externalId: 'warranty.md',
    title: 'Warranty',
    content: 'The warranty covers two years.',
  })
  now += 2_000
  assert.is((await knowledge.search(acme, 'warranty'))[0]?.text, 'The warranty covers two years.')
})

test('a new title alone is a change, too', async () => {
  await knowledge.add(acme, { kb: 'docs', externalId: 't.md', title: 'Old', content: 'The lighthouse is white.' })
  assert.is(await knowledge.add(acme, { kb: 'docs', externalId: 't.md', title: 'New', content: 'The lighthouse is white.' }), true)
  assert.is((await knowledge.search(acme, 'lighthouse'))[0]?.title, 'New')
})

test.run()
