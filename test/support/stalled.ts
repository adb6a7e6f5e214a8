/** A reader on a bare socket that joins and then stops reading: the kernel's buffers fill, and then the server's. */
import { type Socket, connect } from 'node:net'
import { until } from './server.ts'

export interface StalledReader {
  socket: Socket
  /** Everything it has read so far, frames and all. */
  read(): string
  stall(): void
  /** Reads on. */
  wake(): void
}

/** Over Socket.IO: speaks as little of WebSocket as a client can. */
export async function stalledSocket(url: string, conversation: string): Promise<StalledReader> {
  const reader = await dial(
    url,
    'GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
  )
  await until(() => reader.read().includes('pingInterval'), 'the handshake')
  reader.socket.write(frame('40'))
  await until(() => reader.read().includes('40{"sid"'), 'the namespace')
  reader.socket.write(frame(`420${JSON.stringify(['conversation.join', { conversation }])}`))
  await until(() => reader.read().includes('430[{"ok":true'), 'the join')
  reader.stall()
  return reader
}

/** Over plain HTTP. */
export async function stalledStream(url: string, path: string, body: object): Promise<StalledReader> {
  const text = JSON.stringify(body)
  const reader = await dial(
    url,
    `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
  )
  await until(() => reader.read().includes('text/event-stream'), 'the headers')
  reader.stall()
  return reader
}

async function dial(url: string, opening: string): Promise<StalledReader> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  socket.on('error', () => {}) // the server may cut it, which is the point
  const pieces: string[] = []
  socket.setEncoding('latin1').on('data', (piece) => void pieces.push(String(piece)))
  socket.write(opening)
  return { socket, read: () => pieces.join(''), stall: () => void socket.pause(), wake: () => void socket.resume() }
}

/** A short text frame of a client: masked, by a mask of zeros. */
function frame(text: string): Buffer {
  const bytes = Buffer.from(text)
  return Buffer.concat([Buffer.from([0x81, 0x80 | bytes.length, 0, 0, 0, 0]), bytes])
}
