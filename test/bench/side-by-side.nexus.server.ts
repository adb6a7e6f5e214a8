/** Ours, with everything that it promises. */
import { openNode } from './node.ts'
import { cpu, serve } from './worker.ts'

serve({
  start: async (chatBaseUrl: string) => (await openNode({ settings: { chatBaseUrl, chatModel: 'chat-model', chatApiKey: 'key' } })).url,
  cpu,
})
