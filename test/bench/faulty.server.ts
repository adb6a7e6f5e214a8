/** A node with three model services, in the order in which they replace each other. */
import { openNode } from './node.ts'
import { serve } from './worker.ts'

const { FAULTY_URLS = '{}', FAULTY_DEADLINE } = process.env
const { anthropic, openai, gemini } = JSON.parse(FAULTY_URLS) as Record<string, string>
const { url } = await openNode({
  settings: {
    anthropicApiKey: 'key-a',
    anthropicBaseUrl: anthropic,
    openaiApiKey: 'key-o',
    openaiBaseUrl: openai,
    geminiApiKey: 'key-g',
    geminiBaseUrl: gemini,
    ...(FAULTY_DEADLINE && { deadlines: { first: Number(FAULTY_DEADLINE), idle: Number(FAULTY_DEADLINE) } }),
  },
})

serve({ url: () => url })
