/** The same with `streamText` of the AI SDK. */
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { streamText } from 'ai'
import { startRelay } from './side-by-side.relay.ts'
import { cpu, serve } from './worker.ts'

serve({
  start: (baseURL: string) => {
    const provider = createOpenAICompatible({ name: 'double', apiKey: 'key', baseURL })
    return startRelay((prompt) => streamText({ model: provider('chat-model'), prompt }).textStream)
  },
  cpu,
})
