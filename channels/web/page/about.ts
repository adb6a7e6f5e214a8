/** Who answers here, as the server tells it. The page works without: then it says nothing about models. */
import { signal } from '@preact/signals'

export interface About {
  models: { tier: string; provider: string; model: string }[]
  offline: boolean
  name: string
  greeting: string
  suggestions: string[]
}

const unknown: About = {
  models: [],
  offline: false,
  name: 'Nexus',
  greeting: 'How can I help?',
  suggestions: ['What can you do?', 'Explain the actor model in three sentences', 'Write a haiku about durable messages'],
}

export const about = signal<About>(unknown)

export async function learn(): Promise<void> {
  try {
    const answer = await fetch('/v1/models', { headers: { accept: 'application/json' } })
    if (answer.ok) about.value = read(await answer.json())
  } catch {
    // No such endpoint, or no network: what is unknown stays unsaid.
  }
}

type Told = { models?: About['models']; offline?: boolean; bot?: { name?: string; greeting?: string; suggestions?: string[] } }

function read({ models, offline, bot }: Told): About {
  return {
    models: Array.isArray(models) ? models : unknown.models,
    offline: offline === true,
    name: bot?.name || unknown.name,
    greeting: bot?.greeting || unknown.greeting,
    suggestions: bot?.suggestions?.length ? bot.suggestions.slice(0, 3) : unknown.suggestions,
  }
}
