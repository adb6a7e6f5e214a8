/** Socket.IO and nothing else: whoever asks is in a room. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Server } from 'socket.io'
import { cpu, serve, settledMemory } from './worker.ts'

const http = createServer()
const io = new Server(http, { transports: ['websocket'] })
io.on('connection', (socket) => {
  const join = (room: string | { conversation: string }, answer: (told: object) => void) => {
    void socket.join(typeof room === 'string' ? room : room.conversation)
    answer({ ok: true })
  }
  socket.on('join', join)
  socket.on('conversation.join', join)
})
await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))

serve({
  url: () => `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
  cpu,
  memory: async () => (await settledMemory()).rss,
})
