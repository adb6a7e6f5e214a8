/** People who come, write for a while and go, at a pace that is given. */
import { type Socket, io } from 'socket.io-client'
import { until } from '../support/until.ts'
import { serve } from './worker.ts'

const TURNS = 20 // of one person, at most

interface Person {
  socket: Socket
  conversation: string
  said: number
  answered: number
}

let sent = 0
let answered = 0
let failed = 0
let refused = 0

async function arrive(url: string): Promise<Person> {
  const socket = io(url, { transports: ['websocket'], forceNew: true, multiplex: false, reconnection: false })
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve)
    socket.once('connect_error', reject)
  })
  const person = { socket, conversation: crypto.randomUUID(), said: 0, answered: 0 }
  // What is written while an answer is on its way may be answered together with the next.
  const taken = new Map<string, number>()
  for (const name of ['turn.started', 'turn.widened'])
    socket.on(name, ({ turn, messages }: { turn: string; messages: string[] }) => {
      taken.set(turn, (taken.get(turn) ?? 0) + messages.length)
    })
  for (const name of ['turn.finished', 'turn.failed'])
    socket.on(name, ({ turn }: { turn: string }) => {
      const messages = taken.get(turn) ?? 0
      taken.delete(turn)
      person.answered += messages
      if (name === 'turn.finished') answered += messages
      else failed += messages
      if (person.answered >= TURNS) socket.close()
    })
  await socket.emitWithAck('conversation.join', { conversation: person.conversation })
  return person
}

async function say({ socket, conversation }: Person) {
  const told = await socket.emitWithAck('message.send', { conversation, id: crypto.randomUUID(), text: `why is the sky blue? (${sent++})` })
  if (!told.ok) refused++
}

serve({
  /** Everybody gone at the end. */
  live: async ({ url, people, perSecond, seconds }: { url: string; people: number; perSecond: number; seconds: number }) => {
    sent = answered = failed = refused = 0
    const present = await Promise.all(Array.from({ length: people }, () => arrive(url)))
    const began = performance.now()
    const acknowledged: Promise<void>[] = []
    for (let n = 0; performance.now() - began < seconds * 1000; n++) {
      const wait = began + (1000 * n) / perSecond - performance.now()
      if (wait > 1) await new Promise((resolve) => setTimeout(resolve, wait))
      const at = n % people
      if ((present[at] as Person).said >= TURNS) present[at] = await arrive(url)
      const person = present[at] as Person
      person.said++
      acknowledged.push(say(person))
      if (acknowledged.length > 1_000) await Promise.all(acknowledged.splice(0))
    }
    await Promise.all(acknowledged)
    await until(() => answered + failed + refused >= sent, 'the last answers', 120_000)
    for (const { socket } of present) socket.close()
    return { sent, answered, failed, refused }
  },
})
