/** People who write at times that do not depend on how fast they are answered. */
import { type Socket, io } from 'socket.io-client'
import { until } from '../support/until.ts'
import { serve } from './worker.ts'

interface Person {
  socket: Socket
  conversation: string
}

const people: Person[] = []
const said = ['why is the sky blue?', 'how does a heat pump work?', 'what is a closure in JavaScript?', 'who was Ada Lovelace?']
let sent = 0
let over = 0
let refused = 0
let acknowledged: number[] = []
let answered: number[] = []
/** When each message that is not yet answered was meant to be sent. */
const began = new Map<string, number>()

async function meet(url: string) {
  const socket = io(url, { transports: ['websocket'], forceNew: true, multiplex: false, reconnection: false })
  const conversation = crypto.randomUUID()
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve)
    socket.once('connect_error', reject)
  })
  // What is written while an answer is on its way may be answered together with the next.
  const taken = new Map<string, string[]>()
  for (const name of ['turn.started', 'turn.widened'])
    socket.on(name, ({ turn, messages }: { turn: string; messages: string[] }) => {
      taken.set(turn, [...(taken.get(turn) ?? []), ...messages])
    })
  for (const name of ['turn.finished', 'turn.failed', 'turn.stopped'])
    socket.on(name, ({ turn }: { turn: string }) => {
      for (const id of taken.get(turn) ?? []) {
        answered.push(performance.now() - (began.get(id) as number))
        began.delete(id)
        over++
      }
      taken.delete(turn)
    })
  await socket.emitWithAck('conversation.join', { conversation })
  people.push({ socket, conversation })
}

/** Counted from when it was meant to be sent: a server that stalls gets no credit for what waits here. */
async function say({ socket, conversation }: Person, meant: number) {
  const text = `${said[sent % said.length]} (${sent++})`
  const id = crypto.randomUUID()
  began.set(id, meant)
  const told = await socket.emitWithAck('message.send', { conversation, id, text })
  acknowledged.push(performance.now() - meant)
  if (!told.ok) refused++
}

serve({
  join: async ({ url, count }: { url: string; count: number }) => {
    for (let n = 0; n < count; n++) await meet(url)
  },
  /** So many messages a second, each person in turn; resolves when all are answered. All at once where the rate is infinite. */
  write: async ({ perSecond, messages }: { perSecond: number; messages: number }) => {
    acknowledged = []
    answered = []
    refused = 0
    const target = over + messages
    const start = performance.now()
    const sending: Promise<void>[] = []
    for (let n = 0; n < messages; n++) {
      const meant = start + (1000 * n) / perSecond
      const wait = meant - performance.now()
      if (wait > 1) await new Promise((resolve) => setTimeout(resolve, wait))
      sending.push(say(people[n % people.length] as Person, meant))
    }
    await Promise.all(sending)
    await until(() => over + refused >= target, `${messages} answers`, 60_000)
    return { acknowledged, answered, refused }
  },
})
