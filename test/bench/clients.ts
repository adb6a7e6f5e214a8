/** Readers in a process of their own: each joins one conversation and counts what it hears. */
import { type Socket, io } from 'socket.io-client'
import { until } from '../support/until.ts'
import { microseconds, serve } from './worker.ts'

let heard = 0
let units = 0
/** Milliseconds, of frames that begin with the time at which they were said. */
let delays: number[] = []
const sockets: Socket[] = []

const connect = (url: string) =>
  new Promise<Socket>((resolve, reject) => {
    const socket = io(url, { transports: ['websocket'], forceNew: true, multiplex: false, reconnection: false })
    socket.once('connect', () => resolve(socket))
    socket.once('connect_error', reject)
    socket.on('reply.delta', ({ text }: { text: string }) => {
      heard++
      units += text.length
      const said = Number(text.split(' ', 1)[0])
      if (said > 0) delays.push((microseconds() - said) / 1000)
    })
  })

serve({
  /** One reader for each conversation, which are made up where none are given. Resolves with their names. */
  join: async ({ url, readers = 0, conversations }: { url: string; readers?: number; conversations?: string[] }) => {
    const names = conversations ?? Array.from({ length: readers }, () => crypto.randomUUID() as string)
    for (const conversation of names) {
      const socket = await connect(url)
      sockets.push(socket)
      await socket.emitWithAck('conversation.join', { conversation })
    }
    return names
  },
  /** Everybody asks something. */
  ask: async (conversations: string[]) => {
    await Promise.all(
      sockets.map((socket, at) =>
        socket.emitWithAck('message.send', { conversation: conversations[at], id: crypto.randomUUID(), text: 'Tell me everything.' }),
      ),
    )
  },
  /** The delays since the last time. */
  delays: () => {
    const told = delays
    delays = []
    return told
  },
  /** UTF-16 units heard so far, by all. */
  units: () => units,
  /** Resolves once so many frames were heard since the last time. */
  hear: async ({ frames }: { frames: number }) => {
    await until(() => heard >= frames, `${frames} frames, of which ${heard} came`, 30_000)
    heard -= frames
  },
})
