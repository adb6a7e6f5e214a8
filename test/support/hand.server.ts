import { once } from 'node:events'
import { type AddressInfo, type Server, type Socket, createServer } from 'node:net'

/** A server that does with each connection what the test says. `url`: how a PostgreSQL client finds it. */
export async function handServer(answer: (socket: Socket, bytes: Buffer) => void): Promise<{ server: Server; url: string }> {
  const server = createServer((socket) => socket.on('data', (bytes) => answer(socket, bytes)).on('error', () => {})) // a client that goes away is no news
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { server, url: `postgres://me:secret@127.0.0.1:${(server.address() as AddressInfo).port}/mine` }
}
