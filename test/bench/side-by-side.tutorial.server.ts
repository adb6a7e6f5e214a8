/** The tutorial with the OpenAI SDK. */
import OpenAI from 'openai'
import { startRelay } from './side-by-side.relay.ts'
import { cpu, serve } from './worker.ts'

serve({
  start: (baseURL: string) => {
    const client = new OpenAI({ apiKey: 'key', baseURL })
    return startRelay(async function* (content) {
      const chunks = await client.chat.completions.create({ model: 'chat-model', stream: true, messages: [{ role: 'user', content }] })
      for await (const chunk of chunks) {
        const delta = chunk.choices[0]?.delta.content
        if (delta) yield delta
      }
    })
  },
  cpu,
})
