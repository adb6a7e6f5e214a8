/** The providers that the settings open, each behind its watchdog. Nothing of an SDK is loaded before the first call. */
import { type Clock, systemClock } from './clock.ts'
import { anthropicModel } from './model.anthropic.ts'
import { chatModel } from './model.chat.ts'
import { geminiModel } from './model.gemini.ts'
import { offlineModel } from './model.offline.ts'
import { ollamaModel } from './model.ollama.ts'
import { openaiModel } from './model.openai.ts'
import type { Provider } from './model.ts'
import type { ModelSettings, ProviderName } from './tiers.ts'
import { localPatience, patience, watched } from './watchdog.ts'

export function providersOf(settings: ModelSettings, clock: Clock = systemClock): Record<ProviderName, Provider> {
  const openai = { apiKey: settings.openaiApiKey ?? '', baseUrl: settings.openaiBaseUrl, background: settings.openaiBackground }
  const bare: Record<ProviderName, Provider> = {
    anthropic: anthropicModel({ apiKey: settings.anthropicApiKey ?? '', baseUrl: settings.anthropicBaseUrl }),
    openai: settings.openaiApi === 'chat' ? chatModel({ ...openai, name: 'openai' }) : openaiModel(openai),
    gemini: geminiModel({ apiKey: settings.geminiApiKey ?? '', baseUrl: settings.geminiBaseUrl }),
    chat: chatModel({ apiKey: settings.chatApiKey, baseUrl: settings.chatBaseUrl, continuation: settings.chatContinuation }),
    ollama: ollamaModel({ baseUrl: settings.ollamaBaseUrl, continues: settings.ollamaContinues }),
    offline: offlineModel({ tokensPerSecond: settings.offlinePace, clock }),
  }
  const watch = (provider: Provider) =>
    watched(
      provider,
      { ...(provider.name === 'ollama' || provider.name === 'chat' ? localPatience : patience), ...settings.deadlines },
      clock,
    )
  return Object.fromEntries(Object.entries(bare).map(([name, provider]) => [name, watch(provider)])) as Record<ProviderName, Provider>
}
