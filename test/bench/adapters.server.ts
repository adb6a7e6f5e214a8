/** Reads streams through the whole chain (SDK, adapter, watchdog, route), or through the SDK alone. */
import Anthropic from '@anthropic-ai/sdk'
import { GoogleGenAI } from '@google/genai'
import { Ollama } from 'ollama'
import OpenAI from 'openai'
import { createModels, type Models } from '../../actors/models/models.ts'
import type { ModelSettings } from '../../actors/models/tiers.ts'
import type { Wire } from '../support/provider.ts'
import { until } from '../support/until.ts'
import { cpu, serve, settledMemory } from './worker.ts'

type Urls = Record<Wire, string>

const settingsFor: Record<Wire, (url: string) => ModelSettings> = {
  anthropic: (url) => ({ anthropicApiKey: 'key', anthropicBaseUrl: url }),
  openai: (url) => ({ openaiApiKey: 'key', openaiBaseUrl: url }),
  chat: (url) => ({ chatBaseUrl: url, chatModel: 'chat-model' }),
  gemini: (url) => ({ geminiApiKey: 'key', geminiBaseUrl: url }),
  ollama: (url) => ({ ollamaBaseUrl: url }),
}

const content = 'Tell me everything.'
const messages = [{ role: 'user' as const, content }]

const bare: Record<Wire, (url: string) => () => Promise<AsyncIterable<unknown>>> = {
  anthropic: (baseURL) => {
    const client = new Anthropic({ apiKey: 'key', baseURL, maxRetries: 0 })
    return () => client.messages.create({ model: 'claude-haiku-5-5', max_tokens: 4096, stream: true, messages })
  },
  openai: (baseURL) => {
    const client = new OpenAI({ apiKey: 'key', baseURL, maxRetries: 0 })
    return () => client.responses.create({ model: 'gpt-6-luna', stream: true, input: content })
  },
  chat: (baseURL) => {
    const client = new OpenAI({ apiKey: 'key', baseURL, maxRetries: 0 })
    return () => client.chat.completions.create({ model: 'chat-model', stream: true, messages })
  },
  gemini: (baseUrl) => {
    const client = new GoogleGenAI({ vertexai: false, apiKey: 'key', httpOptions: { baseUrl } })
    return () => client.models.generateContentStream({ model: 'gemini-3.8-flash', contents: content })
  },
  ollama: (host) => {
    const client = new Ollama({ host })
    return () => client.chat({ model: 'qwen3:8b', stream: true, messages })
  },
}

let models: Models | undefined
/** Streams that have said something. */
let begun = 0
let sdk: (() => Promise<AsyncIterable<unknown>>) | undefined

/** Says how many pieces of text came, so that nobody is quick by leaving some out. */
async function readOurs(): Promise<number> {
  let texts = 0
  const ask = { tier: 'intern' as const, system: '', messages: [{ role: 'user' as const, text: content }] }
  for await (const event of models?.stream(ask, { signal: new AbortController().signal }) ?? []) {
    if (event.t === 'text' && texts++ === 0) begun++
    if (event.t === 'fail') throw new Error(event.message)
  }
  return texts
}

async function readBare(): Promise<number> {
  let events = 0
  for await (const _ of (await sdk?.()) ?? []) if (events++ === 0) begun++
  return events
}

interface Load {
  streams: number
  tokens: number
}

serve({
  use: ({ wire, urls }: { wire: Wire; urls: Urls }) => {
    models = createModels({ settings: settingsFor[wire](urls[wire]) })
    sdk = bare[wire](urls[wire])
  },
  /** µs of CPU for each token, so many streams at once. */
  read: async ({ way, streams, tokens }: Load & { way: 'ours' | 'bare' }) => {
    const before = cpu()
    const seen = await Promise.all(Array.from({ length: streams }, way === 'ours' ? readOurs : readBare))
    if (seen.some((count) => count < tokens)) throw new Error(`a stream of ${tokens} tokens arrived as ${Math.min(...seen)} events`)
    return (cpu() - before) / (streams * tokens)
  },
  /** KB that each stream holds in its middle, after collection: JavaScript's own and its buffers. */
  hold: async ({ way, streams }: Load & { way: 'ours' | 'bare' }) => {
    const held = async () => {
      const { heapUsed, external } = await settledMemory()
      return heapUsed + external
    }
    const empty = await held()
    begun = 0
    const all = Promise.all(Array.from({ length: streams }, way === 'ours' ? readOurs : readBare))
    await until(() => begun === streams, 'every stream to begin', 30_000)
    const full = await held()
    await all
    return (full - empty) / 1024 / streams
  },
})
