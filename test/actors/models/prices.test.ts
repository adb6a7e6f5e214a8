import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Usage } from '../../../machines/message.ts'
import { add, costOf, type Prices } from '../../../actors/models/prices.ts'

const at = Date.parse('2026-11-20')
const cost = (name: string, usage: Usage, more: { at?: number; own?: Prices } = {}) => {
  const slash = name.indexOf('/')
  return costOf({ provider: name.slice(0, slash), model: name.slice(slash + 1), usage, at, ...more })
}
const near = (got: unknown, want: number) => assert.ok(typeof got === 'number' && Math.abs(got - want) < 1e-12, `${got} is not ${want}`)

test('a price is that of the exact name: sonnet-5 says nothing about sonnet-5-5', () => {
  near(cost('anthropic/claude-sonnet-5', { in: 1_000, out: 100 }), (1_000 * 2 + 100 * 10) / 1e6)
  assert.is(cost('anthropic/claude-sonnet-5-5', { in: 1_000, out: 100 }), 'unknown')
  assert.is(cost('openai/gpt-6-sol-2026-09-01', { in: 1, out: 1 }), 'unknown')
  assert.is(cost('chat/gpt-6-sol', { in: 1, out: 1 }), 'unknown')
})

test('what came from the cache and what was written to it have prices of their own', () => {
  near(
    cost('anthropic/claude-opus-5-5', { in: 1_000, out: 10, cacheRead: 600, cacheWrite: 300 }),
    (100 * 4 + 600 * 0.2 + 300 * 5 + 10 * 20) / 1e6,
  )
})

test('reasoning is part of the output and is not paid twice', () => {
  near(cost('openai/gpt-6-sol', { in: 0, out: 100, reasoning: 90 }), (100 * 10) / 1e6)
})

test('a long input makes the whole call dearer', () => {
  near(cost('openai/gpt-6-sol', { in: 272_000, out: 10 }), (272_000 * 2 + 10 * 10) / 1e6)
  near(cost('openai/gpt-6-sol', { in: 272_001, out: 10, cacheRead: 1 }), (272_000 * 4 + 1 * 0.4 + 10 * 15) / 1e6)
  near(cost('gemini/gemini-3.1-pro-preview', { in: 200_001, out: 1 }), (200_001 * 4 + 18) / 1e6)
})

test('an announced price begins on its day', () => {
  const usage = { in: 1_000, out: 1_000 }
  near(cost('gemini/gemini-3.8-flash', usage, { at: Date.parse('2026-12-31T23:59:59Z') }), (1_000 * 0.75 + 1_000 * 3.75) / 1e6)
  near(cost('gemini/gemini-3.8-flash', usage, { at: Date.parse('2027-01-01') }), (1_000 * 1.5 + 1_000 * 7.5) / 1e6)
})

test("an operator's own price comes before ours", () => {
  const own = { 'openai/gpt-6-sol': { in: 1, out: 1 }, 'chat/llama': { in: 0, out: 0 } }
  near(cost('openai/gpt-6-sol', { in: 10, out: 10 }, { own }), 20 / 1e6)
  assert.is(cost('chat/llama', { in: 10, out: 10 }, { own }), 0)
})

test('a local model is free, one in the cloud of Ollama is unknown, and unknown makes a sum unknown', () => {
  assert.is(cost('ollama/qwen3:8b', { in: 10, out: 10 }), 0)
  assert.is(cost('ollama/gpt-oss:120b-cloud', { in: 10, out: 10 }), 'unknown')
  assert.is(cost('offline/offline-extractive', { in: 10, out: 10 }), 0)
  assert.is(add(1, 'unknown'), 'unknown')
})

test.run()
