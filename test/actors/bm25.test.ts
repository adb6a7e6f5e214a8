import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createIndex } from '../../actors/bm25.ts'
import { asking, terms } from '../../actors/terms.ts'
import { growsAsItsInput } from '../support/growth.ts'

const texts = {
  refund: 'Refunds are paid within fourteen days after the parcel has come back to our store.',
  delivery: 'Deliveries to Norway take five days. Parcels are handed over to the post every evening.',
  redis: 'Redis joins several nodes: set REDIS_URL, and events are published through streams.',
  backup: 'A backup of the database is taken every night and kept for thirty days.',
  kuendigung: 'Die Kündigung des Vertrages ist jederzeit zum Monatsende möglich. Eine Begründung brauchen Sie nicht.',
  lieferung: 'Lieferungen nach Österreich dauern drei Tage, und die Versandkosten betragen fünf Euro.',
  tuikuan: '退款会在收到退回的商品后十四天内支付。',
  peizhi: '配置 Redis 默认端口时，请设置环境变量 REDIS_URL。',
}
const index = createIndex(Object.entries(texts).map(([item, text]) => ({ item, text })))
const best = (question: string) => index.search(question, 3)[0]?.item

test('the passage that shares the rare words comes first', () => {
  assert.is(best('When do I get my refund?'), 'refund')
  assert.is(best('how long is a delivery to norway'), 'delivery')
  assert.is(best('How do nodes publish an event?'), 'redis')
  assert.is(best('Are there backups of databases?'), 'backup')
})

test('German is found in spite of its endings', () => {
  assert.is(best('Wie kann ich den Vertrag kündigen? Kündigungen'), 'kuendigung')
  assert.is(best('Wie lange dauert eine Lieferung nach Österreich?'), 'lieferung')
})

test('Chinese is found without spaces', () => {
  assert.is(best('退款什么时候支付？'), 'tuikuan')
  assert.is(best('Redis 的默认端口怎么配置？'), 'peizhi')
})

test('a score is the part of the question that was found, from 0 to 1', () => {
  for (const question of ['refund', 'refund days zebra', '退款 商品', 'Norway parcels evening post']) {
    for (const { score } of index.search(question, 10)) assert.ok(score >= 0.15 && score <= 1, `${score}`)
  }
  assert.is(index.search('refunds parcel', 1)[0]?.score, 1)
  const half = index.search('refunds zebra', 1)[0]?.score ?? 0
  assert.ok(half > 0.2 && half < 0.6, `${half}`)
})

test('a passage that shares next to nothing is not returned', () => {
  assert.equal(index.search('purple zebras dance over quiet volcanoes and golden lakes before eleven days', 3), [])
  assert.equal(index.search('', 3), [])
  assert.equal(index.search('???', 3), [])
})

test('an index without texts finds nothing', () => {
  assert.equal(createIndex([]).search('anything', 3), [])
})

test('manners take nothing from the score', () => {
  assert.is(index.search('Please tell me something about refunds, thanks', 1)[0]?.score, 1)
  assert.is(index.search('请问怎么退款？', 1)[0]?.score, 1)
})

test('no more come back than were asked for, the best first', () => {
  const found = index.search('days', 2)
  assert.is(found.length, 2)
  assert.ok((found[0]?.score ?? 0) >= (found[1]?.score ?? 1))
})

test('one word has one term, whatever its ending, accent or width', () => {
  for (const words of [
    'parcel parcels',
    'deploy deploys deployed deploying',
    'policy policies',
    'stop stopped stopping',
    'cache caches cached caching',
    'Müller Muller',
    'ＡＢＣ abc',
    'house houses',
  ])
    assert.is(new Set(terms(words)).size, 1, `${words}: ${terms(words)}`)
  for (const words of ['bus bush', 'class clan', 'thing then', 'red reed'])
    assert.is(new Set(terms(words)).size, new Set(words.split(' ').filter((word) => word !== 'then')).size, `${words}: ${terms(words)}`)
})

test('scripts without spaces come apart where another script begins', () => {
  assert.equal(terms('Redis默认端口'), ['redis', '默认', '认端', '端口'])
  assert.equal(terms('药'), ['药'])
})

test('a question of nothing but manners keeps its words', () => {
  assert.ok(asking('help').length > 0)
  assert.ok(asking('什么').length > 0)
})

test('a key of many characters is taken as it is, in no more than its share of time', async () => {
  const key = (pairs: number) => 'ab'.repeat(pairs)
  assert.equal(terms(key(100_000)), [key(100_000)])
  const { ok, said } = await growsAsItsInput((pairs) => terms(key(pairs)), 100_000)
  assert.ok(ok, said)
})

test.run()
