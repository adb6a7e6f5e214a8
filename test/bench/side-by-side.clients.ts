/** The same people for everybody: each asks, hears the answer to its end, and checks that it is whole. */
import { type Socket, io } from 'socket.io-client'
import { within } from '../support/within.ts'
import { wordAt } from './double.words.ts'
import { serve } from './worker.ts'

const PATIENCE = 60_000
/** Small talk, so that Admin asks no model of its own: one call a turn for everybody. */
const QUESTION = 'Hello!'

interface Person {
  /** Resolves with the whole answer, put together from its pieces. */
  ask(): Promise<string>
}

const connected = (url: string) =>
  new Promise<Socket>((resolve, reject) => {
    const socket = io(url, { transports: ['websocket'], forceNew: true, multiplex: false, reconnection: false })
    socket.once('connect', () => resolve(socket))
    socket.once('connect_error', reject)
  })

async function ofRelay(url: string): Promise<Person> {
  const socket = await connected(url)
  let text = ''
  socket.on('token', (delta: string) => {
    text += delta
  })
  return {
    ask: () =>
      new Promise((resolve) => {
        text = ''
        socket.once('done', () => resolve(text))
        socket.emit('chat', QUESTION)
      }),
  }
}

async function ofNexus(url: string): Promise<Person> {
  const socket = await connected(url)
  const conversation = crypto.randomUUID()
  await socket.emitWithAck('conversation.join', { conversation })
  let text = ''
  socket.on('reply.delta', (delta: { text: string }) => {
    text += delta.text
  })
  return {
    ask: () =>
      new Promise((resolve, reject) => {
        text = ''
        socket.once('turn.finished', () => resolve(text))
        socket.once('turn.failed', ({ message }: { message: string }) => reject(new Error(message)))
        socket.emit('message.send', { conversation, id: crypto.randomUUID(), text: QUESTION }, () => {})
      }),
  }
}

const crowds = new Map<string, Person[]>()

serve({
  come: async ({ name, url, people }: { name: string; url: string; people: number }) => {
    const crowd: Person[] = []
    for (let person = 0; person < people; person++) crowd.push(await (name === 'nexus' ? ofNexus(url) : ofRelay(url)))
    crowds.set(name, crowd)
  },
  /** One question each, spread over the first part of the time that an answer takes. Resolves with how many tokens were heard. */
  ask: async ({ name, tokens, spread }: { name: string; tokens: number; spread: number }) => {
    const crowd = crowds.get(name) ?? []
    const whole = Array.from({ length: tokens }, (_, at) => wordAt(at)).join('')
    const answers = crowd.map(async ({ ask }, at) => {
      await new Promise((resolve) => setTimeout(resolve, (at * spread) / crowd.length))
      return await within(PATIENCE, ask(), `an answer of ${name}`)
    })
    const wrong = (await Promise.all(answers)).find((text) => text !== whole)
    if (wrong !== undefined)
      throw new Error(`${name} answered ${wrong.length} characters instead of ${whole.length}: ${wrong.slice(0, 60)}…`)
    return tokens * crowd.length
  },
})
