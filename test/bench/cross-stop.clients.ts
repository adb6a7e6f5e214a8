/** People at one node who ask, hear the first words, and say stop. */
import { type Socket, io } from 'socket.io-client'
import { until } from '../support/until.ts'
import { microseconds, serve } from './worker.ts'

let socket: Socket
const speaking = new Set<string>()

serve({
  come: (url: string) =>
    new Promise<void>((resolve, reject) => {
      socket = io(url, { transports: ['websocket'], forceNew: true, reconnection: false })
      socket.once('connect', resolve)
      socket.once('connect_error', reject)
      socket.on('reply.delta', ({ conversation }: { conversation: string }) => void speaking.add(conversation))
    }),
  /** Resolves when the first words are heard. */
  ask: async ({ conversation, mark }: { conversation: string; mark: string }) => {
    const joined = await socket.emitWithAck('conversation.join', { conversation })
    if (!joined.ok) throw new Error(`a join was refused: ${JSON.stringify(joined)}`)
    const text = `Please explain how the tides of the sea come about, ${mark}.`
    const told = await socket.emitWithAck('message.send', { conversation, id: crypto.randomUUID(), text })
    if (!told.ok) throw new Error(`a message was refused: ${JSON.stringify(told)}`)
    await until(() => speaking.has(conversation), `words in ${conversation}`, 30_000)
  },
  /** Resolves with the moment at which it was said, and whether the answer knows that something was stopped. */
  stop: async (conversation: string) => {
    const said = microseconds()
    const told = await socket.emitWithAck('reply.stop', { conversation })
    if (!told.ok) throw new Error(`a stop was refused: ${JSON.stringify(told)}`)
    await socket.emitWithAck('conversation.leave', { conversation })
    return { said, stopped: told.stopped as boolean }
  },
})
