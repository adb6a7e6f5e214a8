import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { offlineModel } from '../../../actors/models/model.offline.ts'
import { createModels } from '../../../actors/models/models.ts'
import type { Passage } from '../../../actors/models/model.ts'
import { all, handClock, only, quiet, request, tell, textOf, within } from './samples.ts'

const model = offlineModel({ tokensPerSecond: 0 })

const passages: Passage[] = [
  {
    id: 'c1',
    title: 'Refunds',
    text: 'We accept returns of most goods. A refund is paid within 14 days after the goods have come back. Gift cards are never refunded.',
    score: 0.9,
  },
  {
    id: 'c2',
    title: 'Shipping',
    text: 'Parcels leave our warehouse in Bern every weekday. Shipping to Norway takes five days and costs 12 francs.',
    score: 0.4,
  },
  { id: 'c3', title: '退款', text: '退款将在收到退货后的十四天内支付。礼品卡不予退款。' },
]

const answer = (text: string, known = passages) => tell(model, { messages: [{ role: 'user', text }], passages: known })

test('it quotes the sentence that fits, word for word, with a mark and a citation', async () => {
  const events = await answer('How long does a refund take to be paid?')
  const text = textOf(events)
  assert.match(text, '“A refund is paid within 14 days after the goods have come back.” [1]')
  const [cite] = only(events, 'cite')
  assert.is(cite?.citation.id, 'c1')
  assert.is(cite?.citation.quote, 'A refund is paid within 14 days after the goods have come back.')
  assert.is('text' in (cite?.citation ?? {}), false)
})

test('it says that it is the stand-in and that no model is configured, in every answer', async () => {
  for (const question of ['How long does a refund take?', 'Hello!', 'Who painted the Mona Lisa?', 'what can you do?']) {
    assert.match(textOf(await answer(question)), 'offline stand-in: no language model is configured')
  }
})

test('every sentence that is not its own stands in the knowledge', async () => {
  for (const question of ['How long does shipping to Norway take?', 'Are gift cards refunded?', 'where is the warehouse']) {
    const text = textOf(await answer(question))
    const quotes = [...text.matchAll(/“(.*?)”/g)].map((match) => match[1] ?? '')
    assert.ok(quotes.length > 0, question)
    for (const quote of quotes)
      assert.ok(
        passages.some((passage) => passage.text.includes(quote)),
        quote,
      )
  }
})

test('nothing that fits is said honestly, without a quote', async () => {
  const events = await answer('Who painted the Mona Lisa?')
  assert.is(textOf(events), 'I am the offline stand-in: no language model is configured, and nothing in the knowledge fits this question.')
  assert.equal(only(events, 'cite'), [])
  assert.match(textOf(await answer('How long does a refund take?', [])), 'nothing in the knowledge fits')
})

test('a greeting gets a short sentence about what it is, and a question after a greeting is a question', async () => {
  for (const greeting of ['hi', 'Hello!', 'hello there', 'Good morning', 'thanks', 'how are you?', 'bye']) {
    const events = await answer(greeting)
    assert.match(textOf(events), 'I can quote sentences', greeting)
    assert.equal(only(events, 'cite'), [])
  }
  assert.match(textOf(await answer('Hello, how long does a refund take?')), '14 days')
})

test('a Chinese question is answered in Chinese, with the Chinese sentence', async () => {
  const text = textOf(await answer('退款多久支付？'))
  assert.match(text, '我是离线替身')
  assert.match(text, '「退款将在收到退货后的十四天内支付。」 [1]')
  assert.match(textOf(await answer('你好')), /^你好。我是离线替身/)
  assert.match(textOf(await answer('谁画了蒙娜丽莎？')), '知识库中也没有')
})

test('it comes a few words at a time, in the pace it was given', async () => {
  const clock = handClock()
  const events = all(
    offlineModel({ tokensPerSecond: 60, clock }).stream(request({ messages: [{ role: 'user', text: 'hello' }] }), { signal: quiet() }),
  )
  await clock.pass(10_000)
  const told = await within(500, events)
  const pieces = only(told, 'text').map((event) => event.d)
  assert.ok(pieces.length > 5)
  assert.ok(
    pieces.every((piece) => piece.trim().split(/\s+/).length <= 3),
    JSON.stringify(pieces),
  )
  const waited = clock.waits.reduce((a, b) => a + b, 0)
  const tokens = only(told, 'usage')[0]?.usage.out ?? 0
  assert.ok(Math.abs(waited - (tokens * 1000) / 60) < 1)
})

test('an abort while it speaks ends at once', async () => {
  const clock = handClock()
  const stop = new AbortController()
  const events = all(offlineModel({ clock }).stream(request({ passages }), { signal: stop.signal }))
  await clock.pass(200)
  stop.abort()
  assert.is(only(await within(500, events), 'fail')[0]?.kind, 'abort')
})

test('it fills in no forms', async () => {
  const events = await tell(model, { json: { name: 'verdict', schema: {} } })
  assert.is(only(events, 'fail')[0]?.kind, 'badreq')
})

test('without any key the router answers through it, at no cost and under its own name', async () => {
  const models = createModels({ settings: { offlinePace: 0 } })
  const events = await within(
    2_000,
    all(
      models.stream(
        { tier: 'intern', system: '', messages: [{ role: 'user', text: 'Are gift cards refunded?' }], passages },
        { signal: quiet() },
      ),
    ),
  )
  assert.equal(only(events, 'start'), [{ t: 'start', provider: 'offline', model: 'offline-extractive' }])
  assert.match(textOf(events), 'Gift cards are never refunded.')
  assert.is(only(events, 'usage')[0]?.cost, 0)
  assert.is(only(events, 'end')[0]?.reason, 'stop')
})

test.run()
