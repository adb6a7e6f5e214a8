/** A thousand replies in flight at once: through the whole way of a node, or each token by a bare emit. */
import { watched } from '../../actors/models/watchdog.ts'
import { openNode, tenant } from './node.ts'
import { paced } from './paced.ts'
import { cpu, serve } from './worker.ts'

/** Milliseconds after which the stream log has written what was said. */
const LOGGED = 300

const ours = paced()
const bare = paced()
const { url, sockets } = await openNode({ provider: watched(ours.provider) })

interface Pace {
  tokensPerSecond: number
  ms: number
}

/** µs of CPU for each token. */
async function measured(source: typeof ours, { tokensPerSecond, ms }: Pace): Promise<{ each: number; said: number }> {
  const before = cpu()
  const said = await source.say(tokensPerSecond, ms)
  await new Promise((resolve) => setTimeout(resolve, LOGGED))
  return { each: (cpu() - before) / said, said }
}

async function relay(conversation: string) {
  const { signal } = new AbortController()
  const room = `t:${tenant}:c:${conversation}`
  let offset = 0
  for await (const event of bare.provider.stream({ model: '', system: '', messages: [], maxTokens: 1 }, { signal })) {
    if (event.t !== 'text') continue
    sockets.io.to(room).emit('reply.delta', { conversation, turn: `${conversation}.1`, attempt: 0, offset, text: event.d })
    offset += event.d.length
  }
}

serve({
  url: () => url,
  streams: () => ours.count(),
  relay: (conversations: string[]) => void conversations.map(relay),
  ours: (pace: Pace) => measured(ours, pace),
  bare: (pace: Pace) => measured(bare, pace),
  drip: (tokensPerSecond: number) => ours.drip(tokensPerSecond),
  end: () => ours.end(),
  cpu,
})
