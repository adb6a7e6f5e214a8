/** Readers who are all cut off in the same moment, come back as socket.io-client does, and go on where they stood. */
import { type Socket, io } from 'socket.io-client'
import type { Cursor, Delta, Joined, Message } from '../../runtime/gateway/protocol.ts'
import { until } from '../support/until.ts'
import { cpu, serve } from './worker.ts'

interface Reader {
  conversation: string
  url: string
  from: string
  socket: Socket | undefined
  seq: number
  turn: string
  attempt: number
  text: string
  asked: boolean
  finished: boolean
}

interface Payload extends Partial<Delta> {
  seq?: number
  message?: Message
}

/** Milliseconds: a page's own pauses between attempts, and what it gives a handshake. */
const PAUSE = { first: 1_000, most: 5_000 }
const PATIENCE = 20_000
/** Connections of one process that are made at once before the herd. */
const ENTERING = 16

/** `repeated`: words that were sent once more, which a client leaves out by their offset: an owner has not said in time how far it was. */
const faults = { gaps: 0, duplicates: 0, repeated: 0, differences: 0, retries: 0 }
let readers: Reader[] = []

/** What socket.io-client keeps to itself: the WebSocket below. */
interface Wire {
  transport?: { ws?: { terminate(): void } }
}

function hear(reader: Reader, name: string, { seq, turn = '', attempt = 0, offset = 0, text = '', message }: Payload) {
  if (seq !== undefined) {
    if (seq <= reader.seq) faults.duplicates++
    if (seq > reader.seq + 1) faults.gaps++
    reader.seq = seq
  }
  if (name === 'reply.delta') {
    if (turn !== reader.turn || attempt !== reader.attempt) Object.assign(reader, { turn, attempt, text: '' })
    if (offset > reader.text.length) faults.gaps++
    if (offset < reader.text.length) faults.repeated++
    reader.text += text.slice(Math.max(0, reader.text.length - offset))
  }
  if (name === 'reply.finished' && message) {
    reader.finished = true
    if (message.text !== reader.text) faults.differences++
    reader.text = ''
  }
}

const connected = ({ url, from }: Reader) =>
  new Promise<Socket>((resolve, reject) => {
    const options = {
      transports: ['websocket'],
      forceNew: true,
      multiplex: false,
      reconnection: false,
      timeout: PATIENCE,
      localAddress: from,
    }
    const socket = io(url, options)
    socket.once('connect', () => resolve(socket))
    socket.once('connect_error', (error) => {
      socket.close()
      reject(error)
    })
  })

/** Throws where it was not let in. */
async function enter(reader: Reader) {
  const socket = await connected(reader)
  const { conversation, seq, turn, attempt, text } = reader
  const after: Cursor = text ? { seq, turn, attempt, offset: text.length } : { seq }
  await new Promise<void>((resolve, reject) => {
    socket.once('disconnect', reject)
    socket.emit('conversation.join', { conversation, ...(seq > 0 && { after }) }, (joined: ({ ok: true } & Joined) | { ok: false }) => {
      socket.off('disconnect', reject)
      if (!joined.ok || (seq > 0 && !joined.missed)) {
        socket.close()
        return reject(new Error(`not let in: ${JSON.stringify(joined).slice(0, 300)}`))
      }
      for (const [name, payload] of joined.missed ?? []) hear(reader, name, payload as Payload)
      if (seq > 0 && joined.seq !== reader.seq) faults.gaps++
      reader.seq = joined.seq
      reader.socket = socket
      socket.onAny((name: string, payload: Payload) => hear(reader, name, payload))
      resolve()
    })
  })
}

async function comeBack(reader: Reader) {
  for (let tries = 0; ; tries++) {
    const pause = Math.min(PAUSE.most, PAUSE.first * 2 ** tries)
    await new Promise((resolve) => setTimeout(resolve, pause * (0.5 + Math.random())))
    try {
      return await enter(reader)
    } catch {
      faults.retries++ // whoever is not let in comes again
    }
  }
}

serve({
  cpu,
  come: async ({ urls, conversations, from }: { urls: string[]; conversations: string[]; from: string }) => {
    readers = conversations.map((conversation, at) => ({
      conversation,
      url: urls[at % urls.length] as string,
      from,
      socket: undefined,
      seq: 0,
      turn: '',
      attempt: 0,
      text: '',
      asked: false,
      finished: false,
    }))
    const waiting = [...readers]
    const one = async () => {
      for (let reader = waiting.pop(); reader; reader = waiting.pop()) await enter(reader)
    }
    await Promise.all(Array.from({ length: ENTERING }, one))
  },
  /** So many ask something, and hear the first words of a long answer. */
  ask: async (count: number) => {
    const asking = readers.filter((_, at) => at % Math.floor(readers.length / count) === 0)
    await Promise.all(
      asking.map(async (reader) => {
        Object.assign(reader, { asked: true, finished: false })
        const message = {
          conversation: reader.conversation,
          id: crypto.randomUUID(),
          text: 'Please explain how the tides of the sea come about.',
        }
        const told = await (reader.socket as Socket).emitWithAck('message.send', message)
        if (!told.ok) throw new Error(`a message was refused: ${JSON.stringify(told)}`)
      }),
    )
    await until(() => asking.every(({ text }) => text.length > 0), 'words for everybody who asked', 60_000)
    return asking.length
  },
  /** Cuts every connection; resolves when everybody is back and knows what it has missed. */
  cut: async () => {
    for (const reader of readers) {
      reader.socket?.offAny()
      ;(reader.socket?.io.engine as unknown as Wire).transport?.ws?.terminate()
    }
    await Promise.all(readers.map(comeBack))
  },
  /** Once every answer is finished: what went wrong, and how often somebody had to come again. */
  faults: async () => {
    await until(() => readers.every(({ asked, finished }) => !asked || finished), 'every answer to end', 120_000)
    return faults
  },
})
