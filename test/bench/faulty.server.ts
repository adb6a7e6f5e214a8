/** A node with three model services, in the order in which they replace each other. */
import { openNode } from './node.ts'
import { serve } from './worker.ts'

const { FAULTY_URLS = '{}' } = process.env
const { anthropic, openai, gemini } = JSON.parse(FAULTY_URLS) as Record<string, string>
const { url } = await openNode({
  settings: {
    anthropicApiKey: 'key-a',
    anthropicBaseUrl: anthropic,
    openaiApiKey: 'key-o',
    openaiBaseUrl: openai,
    geminiApiKey: 'key-g',
    geminiBaseUrl: gemini,
  },
})

serve({ url: () => url })
