/** Somebody who says a word in one conversation after the other, each of which has been at rest. */
import { type Socket, io } from 'socket.io-client'
import { serve } from './worker.ts'

let socket: Socket

serve({
  come: (url: string) =>
    new Promise<void>((resolve, reject) => {
      socket = io(url, { transports: ['websocket'], forceNew: true, reconnection: false })
      socket.once('connect', resolve)
      socket.once('connect_error', reject)
    }),
  /** Milliseconds until each message was acknowledged, which it is when its step is committed. They are sent when they are due. */
  say: async ({ conversations, perSecond }: { conversations: string[]; perSecond: number }) => {
    const began = performance.now()
    return Promise.all(
      conversations.map(async (conversation, at) => {
        const due = began + (1000 * at) / perSecond
        await new Promise((resolve) => setTimeout(resolve, due - performance.now()))
        const sent = performance.now()
        const told = (await socket.emitWithAck('message.send', { conversation, id: crypto.randomUUID(), text: 'Good morning.' })) as {
          ok: boolean
        }
        if (!told.ok) throw new Error(`a message was refused: ${JSON.stringify(told)}`)
        return performance.now() - sent
      }),
    )
  },
})
