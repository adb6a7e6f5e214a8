/** The models of this installation: from its settings, and as it tells of them. */
import type { Models } from '../actors/models/models.ts'
import type { ModelSettings } from '../actors/models/tiers.ts'
import { demo } from '../sql/tenants.ts'
import type { Config } from './config.ts'

export const modelSettings = (config: Config): ModelSettings => ({
  ceo: config.modelCeo,
  director: config.modelDirector,
  intern: config.modelIntern,
  admin: config.modelAdmin,
  anthropicApiKey: config.anthropicApiKey,
  anthropicBaseUrl: config.anthropicBaseUrl,
  openaiApiKey: config.openaiApiKey,
  openaiBaseUrl: config.openaiBaseUrl,
  openaiApi: config.openaiApi,
  openaiBackground: config.openaiBackground,
  geminiApiKey: config.geminiApiKey,
  geminiBaseUrl: config.geminiBaseUrl,
  ollamaBaseUrl: config.ollamaBaseUrl,
  ollamaModel: config.ollamaModel,
  ollamaContinues: config.ollamaContinues,
  chatBaseUrl: config.chatBaseUrl,
  chatApiKey: config.chatApiKey,
  chatModel: config.chatModel,
  chatContinuation: config.chatContinuation,
  decisions: config.decisions,
  hedge: config.hedge,
  offlinePace: config.offlinePace,
})

/** `intern anthropic/claude-haiku-5-5, …`: the first choice of each tier. */
export function modelsLine(models: Pick<Models, 'describe'>): string {
  const first = new Map<string, string>()
  for (const { tier, provider, model } of models.describe()) if (!first.has(tier)) first.set(tier, `${provider}/${model}`)
  const names = [...new Set(first.values())]
  return names.length === 1 ? `${names[0]} for every tier` : [...first].map(([tier, model]) => `${tier} ${model}`).join(', ')
}

/** What the page says of itself before the first word. */
export const aboutOf = (models: Models) => ({
  models: models.describe(),
  offline: models.describe().every(({ provider }) => provider === 'offline'),
  tenant: demo.name,
  bot: {
    name: 'Nexus',
    greeting: 'Ask about Nexus, or anything else once a model is configured.',
    suggestions: ['What is Nexus?', 'How do I add a model?', 'What happens when a node dies in mid-answer?'],
  },
})
