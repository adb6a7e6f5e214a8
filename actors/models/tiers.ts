/** From settings to candidates: which models each tier may ask, in which order. */
import { type Agent, ladder } from '../../machines/ladder.ts'
import type { ChatContinuation } from './model.chat.ts'
import { listPrices, type Prices } from './prices.ts'
import type { Deadlines } from './watchdog.ts'

/** Everything that an operator may say about models. The comment names the variable; only runtime/config.ts reads it. */
export interface ModelSettings {
  /** NEXUS_MODEL_CEO: `provider/model` or a known model's name. Several, with commas, are the whole order; one alone is merely the first. */
  ceo?: string | undefined
  /** NEXUS_MODEL_DIRECTOR */
  director?: string | undefined
  /** NEXUS_MODEL_INTERN */
  intern?: string | undefined
  /** NEXUS_MODEL_ADMIN */
  admin?: string | undefined
  /** ANTHROPIC_API_KEY */
  anthropicApiKey?: string | undefined
  /** ANTHROPIC_BASE_URL */
  anthropicBaseUrl?: string | undefined
  /** OPENAI_API_KEY */
  openaiApiKey?: string | undefined
  /** OPENAI_BASE_URL */
  openaiBaseUrl?: string | undefined
  /** OPENAI_API: what the server behind OPENAI_BASE_URL speaks; `responses` unless set. */
  openaiApi?: 'responses' | 'chat' | undefined
  /** OPENAI_BACKGROUND: answers are written in the background, and outlive the node that asked. */
  openaiBackground?: boolean | undefined
  /** GEMINI_API_KEY or GOOGLE_API_KEY */
  geminiApiKey?: string | undefined
  /** GEMINI_BASE_URL */
  geminiBaseUrl?: string | undefined
  /** OLLAMA_BASE_URL */
  ollamaBaseUrl?: string | undefined
  /** OLLAMA_MODEL: instead of qwen3:8b. */
  ollamaModel?: string | undefined
  /** OLLAMA_CONTINUES: its models go on with an answer that broke off. */
  ollamaContinues?: boolean | undefined
  /** CHAT_BASE_URL: a server that speaks chat completions. */
  chatBaseUrl?: string | undefined
  /** CHAT_API_KEY */
  chatApiKey?: string | undefined
  /** CHAT_MODEL: what that server is asked for when a tier names nothing. */
  chatModel?: string | undefined
  /** CHAT_CONTINUATION: how that server is asked to go on with an answer that broke off; unless set it is not. */
  chatContinuation?: ChatContinuation | undefined
  /** DECISIONS: ask OpenAI's Decisions endpoint for classifications. */
  decisions?: boolean | undefined
  /** HEDGE: a second model is asked when the first is slower than its own 95th percentile. */
  hedge?: boolean | undefined
  /** An operator's own prices, before ours. */
  prices?: Prices | undefined
  deadlines?: Partial<Deadlines> | undefined
  /** Tokens a second of the offline stand-in; 0 sends without waiting. */
  offlinePace?: number | undefined
}

export type Desk = Exclude<Agent, 'qa'>
export const desks = [...ladder, 'admin'] as const satisfies Desk[]

export const providerNames = ['anthropic', 'openai', 'gemini', 'chat', 'ollama', 'offline'] as const
export type ProviderName = (typeof providerNames)[number]

export interface Candidate {
  provider: ProviderName
  model: string
}

export const outputLimits: Record<Desk, number> = { ceo: 8192, director: 8192, intern: 4096, admin: 4096 }

const OFFLINE: Candidate = { provider: 'offline', model: 'offline-extractive' }

const defaults: Record<'anthropic' | 'openai' | 'gemini', Record<Desk, string>> = {
  anthropic: { ceo: 'claude-opus-5-5', director: 'claude-sonnet-5-5', intern: 'claude-haiku-5-5', admin: 'claude-haiku-5-5' },
  openai: { ceo: 'gpt-6-astra', director: 'gpt-6-sol', intern: 'gpt-6-luna', admin: 'gpt-6-luna' },
  gemini: { ceo: 'gemini-3.1-pro-preview', director: 'gemini-3.1-pro-preview', intern: 'gemini-3.8-flash', admin: 'gemini-3.8-flash' },
}

/** Models that exist and have no published price yet. */
const unpriced: Record<string, ProviderName> = {
  'claude-haiku-5-5': 'anthropic',
  'claude-sonnet-5-5': 'anthropic',
  'claude-fable-5-2': 'anthropic',
  'claude-mythos-5-2': 'anthropic',
  'gpt-6.1-sol': 'openai',
  'gpt-6.1-terra': 'openai',
  'gemini-4-argon': 'gemini',
  'gemini-4-carbon': 'gemini',
  'qwen3:8b': 'ollama',
}

/** Throws one error that lists everything wrong at once. */
export function candidatesOf(settings: ModelSettings): Record<Desk, Candidate[]> {
  const wrong: string[] = []
  const open = providersOpen(settings)
  if (settings.chatBaseUrl && !settings.chatModel && !desks.some((desk) => /(^|,)\s*chat\//.test(settings[desk] ?? ''))) {
    wrong.push('CHAT_BASE_URL is set, but no model: name one in CHAT_MODEL, or as chat/<model> in a NEXUS_MODEL_ variable.')
  }
  const found = Object.fromEntries(desks.map((desk) => [desk, candidatesFor(desk, settings, open, wrong)])) as Record<Desk, Candidate[]>
  if (wrong.length) throw new Error(`The model settings cannot be used:\n${wrong.map((line) => `- ${line}`).join('\n')}`)
  return found
}

function candidatesFor(desk: Desk, settings: ModelSettings, open: ProviderName[], wrong: string[]): Candidate[] {
  const setting = settings[desk]?.trim() ?? ''
  const named = setting
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
    .map((name) => candidateNamed(name, desk, settings, wrong))
    .filter((candidate) => candidate !== undefined)
  // Admin has its rules to fall back to, and they cost nothing.
  if (desk === 'admin')
    return named.length || !settings.ollamaBaseUrl ? named : [{ provider: 'ollama', model: settings.ollamaModel ?? 'qwen3:8b' }]
  // A list is an order and nothing is added to it; nor is anything to whoever asked for the stand-in.
  if (setting.includes(',') || named[0]?.provider === 'offline') return named
  const others = open
    .filter((provider) => provider !== named[0]?.provider)
    .map((provider) => ({ provider, model: defaultModel(provider, desk, settings) }))
    .filter((candidate): candidate is Candidate => candidate.model !== undefined)
  const all = [...named, ...others]
  // The stand-in answers where nothing is configured. With a key it is never a silent way out.
  return all.length || setting ? all : [OFFLINE]
}

/** In the order in which they replace each other. */
function providersOpen(settings: ModelSettings): ProviderName[] {
  const open: [ProviderName, unknown][] = [
    ['anthropic', settings.anthropicApiKey],
    ['openai', settings.openaiApiKey],
    ['gemini', settings.geminiApiKey],
    ['chat', settings.chatBaseUrl],
    ['ollama', settings.ollamaBaseUrl],
  ]
  return open.filter(([, is]) => is).map(([name]) => name)
}

function defaultModel(provider: ProviderName, desk: Desk, settings: ModelSettings): string | undefined {
  if (provider === 'chat') return settings.chatModel
  if (provider === 'ollama') return settings.ollamaModel ?? 'qwen3:8b'
  return provider === 'offline' ? OFFLINE.model : defaults[provider][desk]
}

function candidateNamed(name: string, desk: Desk, settings: ModelSettings, wrong: string[]): Candidate | undefined {
  const variable = `NEXUS_MODEL_${desk.toUpperCase()}`
  if (name === 'offline' || name === OFFLINE.model) return OFFLINE
  const slash = name.indexOf('/')
  const provider = slash < 0 ? providerKnowing(name) : name.slice(0, slash)
  const model = name.slice(slash + 1)
  if (provider === undefined) {
    wrong.push(`${variable} names ${name}, which is not a model we know; write it as provider/model.`)
  } else if (!isProvider(provider)) {
    wrong.push(`${variable} names the provider ${provider}; there are ${providerNames.join(', ')}.`)
  } else if (model === '') {
    wrong.push(`${variable} names the provider ${provider} without a model.`)
  } else {
    const missing = missingFor(provider, settings)
    if (!missing) return provider === 'offline' ? OFFLINE : { provider, model }
    wrong.push(`${variable} asks for ${provider}/${model}, but ${missing} is not set.`)
  }
  return undefined
}

const isProvider = (name: string): name is ProviderName => (providerNames as readonly string[]).includes(name)

const providerKnowing = (model: string): string | undefined =>
  unpriced[model] ?? (['anthropic', 'openai', 'gemini'] as const).find((provider) => `${provider}/${model}` in listPrices)

function missingFor(provider: ProviderName, settings: ModelSettings): string | undefined {
  if (provider === 'anthropic' && !settings.anthropicApiKey) return 'ANTHROPIC_API_KEY'
  if (provider === 'openai' && !settings.openaiApiKey) return 'OPENAI_API_KEY'
  if (provider === 'gemini' && !settings.geminiApiKey) return 'GEMINI_API_KEY (or GOOGLE_API_KEY)'
  if (provider === 'chat' && !settings.chatBaseUrl) return 'CHAT_BASE_URL'
  return undefined // Ollama has a usual address
}
