/** People who write and read, and hold what they were told against what the service said. */
import { type Socket, io } from 'socket.io-client'
import { replyTo } from './faulty.replies.ts'
import { serve } from './worker.ts'

export interface Heard {
  answered: number
  /** Codes of the turns that ended without an answer. */
  failed: Record<string, number>
  /** Answers that are not, letter for letter, what the service says to that message. */
  wrong: number
  /** Milliseconds: the longest time in which a person who waits was told nothing at all. */
  silences: number[]
  /** Milliseconds from the message to the last word. */
  took: number[]
}

let heard: Heard

interface Told {
  turn: string
  attempt: number
  offset: number
  text: string
  message: { text: string }
  code: string
}

async function person(url: string, numbers: number[]) {
  const socket: Socket = io(url, { transports: ['websocket'], forceNew: true, multiplex: false, reconnection: false })
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve)
    socket.once('connect_error', reject)
  })
  const conversation = crypto.randomUUID()
  await socket.emitWithAck('conversation.join', { conversation })
  for (const number of numbers) await exchange(socket, conversation, number)
  socket.close()
}

async function exchange(socket: Socket, conversation: string, number: number) {
  const began = performance.now()
  let last = began
  let silence = 0
  let assembled = ''
  const over = new Promise<void>((resolve) => {
    const hear = (name: string, told: Told) => {
      const now = performance.now()
      silence = Math.max(silence, now - last)
      last = now
      if (name === 'reply.retracted') assembled = ''
      else if (name === 'reply.delta') {
        if (told.offset === 0) assembled = ''
        assembled = told.offset === assembled.length ? assembled + told.text : `${assembled}<a hole at ${told.offset}>`
      } else if (name === 'reply.finished') {
        const expected = replyTo(number).join('')
        heard.answered++
        if (assembled !== expected || told.message.text !== expected) heard.wrong++
      } else if (name === 'turn.failed') heard.failed[told.code] = (heard.failed[told.code] ?? 0) + 1
      if (name !== 'turn.finished' && name !== 'turn.failed') return
      socket.offAny(hear)
      resolve()
    }
    socket.onAny(hear)
  })
  await socket.emitWithAck('message.send', { conversation, id: crypto.randomUUID(), text: `Please explain message no. ${number}` })
  await over
  heard.silences.push(silence)
  heard.took.push(performance.now() - began)
}

serve({
  write: async ({ url, people, each }: { url: string; people: number; each: number }) => {
    heard = { answered: 0, failed: {}, wrong: 0, silences: [], took: [] }
    const numbers = (at: number) => Array.from({ length: each }, (_, n) => 1 + at * each + n)
    await Promise.all(Array.from({ length: people }, (_, at) => person(url, numbers(at))))
    return heard
  },
})
