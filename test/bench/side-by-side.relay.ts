/** The server of every tutorial: a socket asks, the model's words are emitted as they come, both sides of it are kept. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Server } from 'socket.io'
import { openRows } from './side-by-side.store.ts'

/** Answers with where it listens. */
export async function startRelay(stream: (question: string) => AsyncIterable<string>): Promise<string> {
  const rows = await openRows()
  const http = createServer()
  const io = new Server(http, { transports: ['websocket'] })
  io.on('connection', (socket) => {
    socket.on('chat', async (question: string) => {
      await rows.keep(socket.id, 'user', question)
      let text = ''
      for await (const delta of stream(question)) {
        text += delta
        socket.emit('token', delta)
      }
      await rows.keep(socket.id, 'assistant', text)
      socket.emit('done', text)
    })
  })
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(http.address() as AddressInfo).port}`
}
