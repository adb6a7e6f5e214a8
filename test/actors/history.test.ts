import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { asModelMessages, defaultHistory, fits, lastExchange, repeated, tokensOf, windowOf } from '../../actors/history.ts'
import { MARK, shortened } from '../../actors/shorten.ts'
import { count, dialog, message } from './samples.ts'

const long = (words: number) => 'word '.repeat(words).trim()
const texts = (messages: { text: string }[]) => messages.map(({ text }) => text)

test('the policy is 2,000 tokens, 20 messages, 10 turns, and a brief of 8 messages and 900 tokens', () => {
  assert.equal(defaultHistory, { messages: 20, turns: 10, tokens: 2_000, brief: { messages: 8, tokens: 900 } })
})

test('a short history is told whole', () => {
  const past = dialog('a', 'b', 'c', 'd')
  assert.ok(fits(past, count))
  assert.equal(windowOf(past, count), past)
})

test('the window holds the newest twenty messages of ten turns', () => {
  const past = dialog(...Array.from({ length: 50 }, (_, at) => `message ${at}`))
  const kept = windowOf(past, count)
  assert.not(fits(past, count))
  assert.is(kept.length, 20)
  assert.equal([kept[0]?.text, kept.at(-1)?.text], ['message 30', 'message 49'])
})

test('ten turns are the most, also when a turn has one message', () => {
  const past = Array.from({ length: 15 }, (_, at) => [
    message({ text: `q${at}` }),
    ...(at % 5 ? [message({ role: 'assistant', text: `a${at}` })] : []),
  ]).flat()
  const turns = windowOf(past, count, { ...defaultHistory, messages: 100, turns: 3 })
  assert.is(turns[0]?.role, 'user')
  assert.equal(texts(turns), ['q12', 'a12', 'q13', 'a13', 'q14', 'a14'])
})

test('the tokens of a window never exceed the policy', () => {
  for (const words of [1, 50, 300, 900, 3_000, 20_000]) {
    const kept = windowOf(dialog(...Array.from({ length: 12 }, () => long(words))), count)
    assert.ok(tokensOf(kept, count) <= 2_000, `${words} words`)
    assert.ok(kept.length >= 2, `${words} words`)
  }
})

test('the last exchange is shortened rather than left out', () => {
  const [question, answer] = windowOf(dialog('Why is the sky blue?', `Because ${long(5_000)} scattering.`), count)
  assert.is(question?.text, 'Why is the sky blue?')
  assert.match(answer?.text ?? '', /^Because/)
  assert.match(answer?.text ?? '', /\[truncated\].*scattering\.$/)
})

test('a window begins with a person', () => {
  assert.equal(texts(windowOf([message({ role: 'operator', text: 'welcome' }), ...dialog('q', 'a')], count)), ['q', 'a'])
  assert.equal(windowOf([message({ role: 'assistant', text: 'welcome' })], count), [])
})

test('notices of the system cost nothing and are not told', () => {
  const past = [...dialog('q', 'a'), message({ role: 'system', text: long(9_000) })]
  assert.ok(fits(past, count))
  assert.equal(texts(windowOf(past, count)), ['q', 'a'])
})

test('the brief is never dropped: the messages beside it get what it leaves', () => {
  const brief = long(850)
  const past = dialog('old question', 'old answer', long(2_000), long(2_000))
  const beside = repeated(past, brief, count)
  assert.is(beside.length, 2)
  assert.ok(tokensOf(beside, count) + count(brief) <= 2_000)
  assert.equal(texts(repeated(dialog('a', 'b', 'c', 'd'), 'short', count)), ['c', 'd'])
})

test('the last exchange begins where a person began to speak', () => {
  const burst = [...dialog('a', 'b'), message({ text: 'c' }), message({ text: 'd' }), message({ role: 'assistant', text: 'e' })]
  assert.equal(texts(lastExchange(burst)), ['c', 'd', 'e'])
  assert.equal(lastExchange([]), [])
})

test('neighbours of one role are joined, and an operator speaks for the house', () => {
  assert.equal(
    asModelMessages([
      { role: 'user', text: 'a' },
      { role: 'user', text: 'b' },
      { role: 'operator', text: 'c' },
      { role: 'assistant', text: 'd' },
      { role: 'system', text: 'e' },
    ]),
    [
      { role: 'user', text: 'a\nb' },
      { role: 'assistant', text: 'c\nd' },
    ],
  )
})

test('a shortened text keeps its head and its tail and fits', () => {
  for (const text of [`begin ${long(500)} end`, `开始${'汉字'.repeat(800)}结束`, '😀'.repeat(900), 'x'.repeat(9_000)]) {
    for (const tokens of [20, 60, 200]) {
      const cut = shortened(text, tokens, count)
      assert.ok(count(cut) <= tokens, `${cut.length} characters in ${tokens}`)
      assert.ok(cut.includes(MARK.trim()), cut)
      assert.ok(cut.isWellFormed())
      assert.is(cut[0], text[0])
    }
  }
  assert.is(shortened('fits', 20, count), 'fits')
  assert.is(shortened(long(500), 1, count), '')
})

test.run()
