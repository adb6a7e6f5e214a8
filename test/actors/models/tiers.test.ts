import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { candidatesOf, type Desk, type ModelSettings } from '../../../actors/models/tiers.ts'

const names = (settings: ModelSettings, desk: Desk) => candidatesOf(settings)[desk].map(({ provider, model }) => `${provider}/${model}`)

test('without any key every tier is answered by the offline stand-in, and Admin by its rules', () => {
  for (const desk of ['ceo', 'director', 'intern'] as const) assert.equal(names({}, desk), ['offline/offline-extractive'])
  assert.equal(names({}, 'admin'), [])
})

test("one provider's key alone runs all tiers", () => {
  assert.equal(
    ['ceo', 'director', 'intern'].flatMap((desk) => names({ anthropicApiKey: 'k' }, desk as Desk)),
    ['anthropic/claude-opus-5-5', 'anthropic/claude-sonnet-5-5', 'anthropic/claude-haiku-5-5'],
  )
  assert.equal(
    ['ceo', 'director', 'intern'].flatMap((desk) => names({ openaiApiKey: 'k' }, desk as Desk)),
    ['openai/gpt-6-astra', 'openai/gpt-6-sol', 'openai/gpt-6-luna'],
  )
  assert.equal(
    ['ceo', 'director', 'intern'].flatMap((desk) => names({ geminiApiKey: 'k' }, desk as Desk)),
    ['gemini/gemini-3.1-pro-preview', 'gemini/gemini-3.1-pro-preview', 'gemini/gemini-3.8-flash'],
  )
  const ollama = { ollamaBaseUrl: 'http://127.0.0.1:11434' }
  assert.equal(
    (['ceo', 'director', 'intern', 'admin'] as const).flatMap((desk) => names(ollama, desk)),
    Array(4).fill('ollama/qwen3:8b'),
  )
})

test('with several keys each provider stands in for the others, and the stand-in for none', () => {
  const settings = {
    anthropicApiKey: 'a',
    openaiApiKey: 'o',
    geminiApiKey: 'g',
    chatBaseUrl: 'http://x/v1',
    chatModel: 'llama',
    ollamaBaseUrl: 'http://y',
  }
  assert.equal(names(settings, 'director'), [
    'anthropic/claude-sonnet-5-5',
    'openai/gpt-6-sol',
    'gemini/gemini-3.1-pro-preview',
    'chat/llama',
    'ollama/qwen3:8b',
  ])
  assert.equal(names(settings, 'admin'), ['ollama/qwen3:8b'])
})

test('one name comes first and the others follow; a list is the whole order', () => {
  const settings = { anthropicApiKey: 'a', openaiApiKey: 'o' }
  assert.equal(names({ ...settings, ceo: 'gpt-6-sol' }, 'ceo'), ['openai/gpt-6-sol', 'anthropic/claude-opus-5-5'])
  assert.equal(names({ ...settings, ceo: 'openai/gpt-6-sol, openai/gpt-6-luna' }, 'ceo'), ['openai/gpt-6-sol', 'openai/gpt-6-luna'])
  assert.equal(names({ ...settings, ceo: 'gpt-6-sol,' }, 'ceo'), ['openai/gpt-6-sol'])
  assert.equal(names({ ...settings, intern: 'offline' }, 'intern'), ['offline/offline-extractive'])
})

test('a model name may hold slashes and colons of its own', () => {
  const settings = { chatBaseUrl: 'http://x/v1', ceo: 'chat/meta-llama/Llama-4:free', intern: 'ollama/qwen3:14b' }
  assert.equal(names(settings, 'ceo'), ['chat/meta-llama/Llama-4:free'])
  assert.equal(names(settings, 'intern'), ['ollama/qwen3:14b'])
})

test('wrong settings are refused with one sentence for each', () => {
  const wrong = { ceo: 'mystral/large', director: 'gpt-6-sol', intern: 'nobody-knows-me', admin: 'anthropic/', chatBaseUrl: 'http://x/v1' }
  try {
    candidatesOf(wrong)
    assert.unreachable()
  } catch (error) {
    const message = (error as Error).message
    assert.match(message, 'NEXUS_MODEL_CEO names the provider mystral')
    assert.match(message, 'NEXUS_MODEL_DIRECTOR asks for openai/gpt-6-sol, but OPENAI_API_KEY is not set.')
    assert.match(message, 'NEXUS_MODEL_INTERN names nobody-knows-me')
    assert.match(message, 'NEXUS_MODEL_ADMIN names the provider anthropic without a model.')
    assert.match(message, 'CHAT_BASE_URL is set, but no model')
    assert.is(message.split('\n- ').length, 6)
  }
})

test.run()
