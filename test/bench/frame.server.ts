/** Speaks to rooms of one socket each: through the whole way of a node, or by the bare emit of the same payload. */
import { openNode, tenant } from './node.ts'
import { cpu, serve } from './worker.ts'

const TEXT = 'forty characters of text in every frame '

const { url, speeches, sockets } = await openNode()
const { io } = sockets
let offset = 0

/** One frame to each conversation, `times` over, a turn of the loop between; µs of CPU for each. */
async function measured(conversations: string[], times: number, send: (conversation: string) => void): Promise<number> {
  const before = cpu()
  for (let time = 0; time < times; time++) {
    for (const conversation of conversations) send(conversation)
    await new Promise(setImmediate)
  }
  return (cpu() - before) / (times * conversations.length)
}

serve({
  url: () => url,
  ours: ({ conversations, times, round }: { conversations: string[]; times: number; round: number }) => {
    const voices = new Map(conversations.map((actor) => [actor, speeches.open({ tenant, actor, turn: `${actor}.1`, attempt: round })]))
    return measured(conversations, times, (actor) => {
      voices.get(actor)?.say(TEXT)
      speeches.flush(tenant, actor) // no window: every word is a frame
    })
  },
  bare: ({ conversations, times }: { conversations: string[]; times: number }) =>
    measured(conversations, times, (conversation) => {
      const payload = { conversation, turn: `${conversation}.1`, attempt: 0, offset, text: TEXT }
      offset += TEXT.length
      io.to(`t:${tenant}:c:${conversation}`).emit('reply.delta', payload)
    }),
})
