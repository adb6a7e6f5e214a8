/** Speaks to people who listen, and to people who have stopped listening. */
import { openNode, tenant } from './node.ts'
import { microseconds, serve, settledMemory } from './worker.ts'

/** What the deaf are sent: as long as a frame may be. */
const LOUD = 'x'.repeat(4_000)
const NOTCH = 10 // milliseconds between two frames to everybody

const { url, speeches, sockets } = await openNode()
const open = (actor: string) => speeches.open({ tenant, actor, turn: 't1', attempt: 1 })

serve({
  url: () => url,
  memory: async () => (await settledMemory()).rss,
  /** Until everybody who does not read has been taken out of the room. Resolves with how many frames that took. */
  shout: async (conversation: string) => {
    const voice = open(conversation)
    const room = () => sockets.io.sockets.adapter.rooms.get(`t:${tenant}:c:${conversation}`)?.size ?? 0
    for (let frames = 0; ; frames++) {
      if (room() === 0) return frames
      voice.say(LOUD)
      speeches.flush(tenant, conversation)
      await new Promise((resolve) => setTimeout(resolve, room() > 100 ? 5 : 1))
    }
  },
  /** For so many milliseconds: the time, to each conversation in its turn. */
  tell: async ({ conversations, ms }: { conversations: string[]; ms: number }) => {
    const voices = conversations.map((conversation) => ({ conversation, voice: open(conversation) }))
    let next = 0
    for (const until = performance.now() + ms; performance.now() < until; ) {
      for (let count = 0; count < conversations.length / 10; count++) {
        const { conversation, voice } = voices[next++ % voices.length] as (typeof voices)[number]
        voice.say(`${microseconds()} `)
        speeches.flush(tenant, conversation)
      }
      await new Promise((resolve) => setTimeout(resolve, NOTCH))
    }
  },
})
