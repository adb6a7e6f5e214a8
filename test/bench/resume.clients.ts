/** Readers whose connections are cut again and again in the middle of a reply, and who must not notice. */
import { type Socket, io } from 'socket.io-client'
import type { Cursor, Delta, Joined, Message } from '../../runtime/gateway/protocol.ts'
import { until } from '../support/until.ts'
import { serve } from './worker.ts'

interface Reader {
  conversation: string
  socket: Socket
  seq: number
  turn: string
  attempt: number
  text: string
  finished?: Message
}

/** Everything that a reader may not see. */
const faults = { gaps: 0, duplicates: 0, differences: 0 }
const readers: Reader[] = []
let server = ''

const connected = (url: string) =>
  new Promise<Socket>((resolve, reject) => {
    const socket = io(url, { transports: ['websocket'], forceNew: true, multiplex: false, reconnection: false })
    socket.once('connect', () => resolve(socket))
    socket.once('connect_error', reject)
  })

function hear(reader: Reader, name: string, payload: Partial<Delta> & { seq?: number; message?: Message }) {
  if (payload.seq !== undefined) {
    if (payload.seq <= reader.seq) faults.duplicates++
    if (payload.seq > reader.seq + 1) faults.gaps++
    reader.seq = payload.seq
  }
  if (name === 'reply.delta') {
    const { turn = '', attempt = 0, offset = 0, text = '' } = payload
    if (turn !== reader.turn || attempt !== reader.attempt) Object.assign(reader, { turn, attempt, text: '' })
    if (offset > reader.text.length) faults.gaps++
    if (offset < reader.text.length) faults.duplicates++
    reader.text += text.slice(reader.text.length - offset)
  }
  if (name === 'reply.finished' && payload.message) {
    reader.finished = payload.message
    if (payload.message.text !== reader.text) faults.differences++
  }
}

/** Connects and joins where it stands; what it missed is in the answer, what follows comes live. */
async function enter(reader: Reader) {
  const socket = await connected(server)
  reader.socket = socket
  const { conversation, seq, turn, attempt, text } = reader
  const after: Cursor = text ? { seq, turn, attempt, offset: text.length } : { seq }
  await new Promise<void>((resolve, reject) =>
    socket.emit('conversation.join', { conversation, ...(seq > 0 && { after }) }, (joined: ({ ok: true } & Joined) | { ok: false }) => {
      if (!joined.ok) return reject(new Error(`a join was refused: ${JSON.stringify(joined)}`))
      if (seq > 0 && !joined.missed)
        reject(new Error(`a resume was answered like a first join: ${JSON.stringify({ after, joined }).slice(0, 700)}`))
      for (const [name, payload] of joined.missed ?? []) hear(reader, name, payload as Delta)
      if (joined.seq !== reader.seq && seq > 0) faults.gaps++
      reader.seq = joined.seq
      socket.onAny((name: string, payload: Delta) => hear(reader, name, payload))
      resolve()
    }),
  )
}

serve({
  come: async ({ url, people }: { url: string; people: number }) => {
    server = url
    for (let person = 0; person < people; person++) {
      const reader = { conversation: crypto.randomUUID(), seq: 0, turn: '', attempt: 0, text: '' } as Reader
      await enter(reader)
      readers.push(reader)
    }
    await Promise.all(
      readers.map(({ socket, conversation }) =>
        socket.emitWithAck('message.send', { conversation, id: crypto.randomUUID(), text: 'Tell me everything.' }),
      ),
    )
  },
  speaking: () => until(() => readers.every(({ text }) => text.length > 0), 'words for everybody', 60_000),
  /** Every connection is cut so many times, without a word of farewell. Resolves with how many came back. */
  cut: async (times: number) => {
    await Promise.all(
      readers.map(async (reader) => {
        for (let time = 0; time < times; time++) {
          reader.socket.offAny()
          reader.socket.io.engine.close()
          await enter(reader)
        }
      }),
    )
    return readers.length * times
  },
  /** Once every reply is finished: what went wrong. */
  faults: async () => {
    await until(() => readers.every(({ finished }) => finished), 'every reply to end', 60_000)
    return faults
  },
  /** Reconnects that nobody promised anything about. */
  bare: async ({ url, people, times }: { url: string; people: number; times: number }) => {
    await Promise.all(
      Array.from({ length: people }, async () => {
        for (let time = 0; time < times; time++) {
          const socket = await connected(url)
          await socket.emitWithAck('join', 'room')
          socket.io.engine.close()
        }
      }),
    )
    return people * times
  },
})
