/** The same people for everybody: each asks, hears the answer to its end, and checks that it is whole. */
import { type Socket, io } from 'socket.io-client'
import { within } from '../support/within.ts'
import { wordAt } from './double.words.ts'
import { microseconds, serve } from './worker.ts'

const PATIENCE = 60_000
/** Small talk, so that Admin asks no model of its own: one call a turn for everybody. */
const QUESTION = 'Hello!'

interface Person {
  /** Resolves with the whole answer, put together from its pieces; `first` hears the first of them. */
  ask(first?: (text: string) => void): Promise<string>
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
  let hear: ((text: string) => void) | undefined
  socket.on('token', (delta: string) => {
    if (!text) hear?.(delta)
    text += delta
  })
  return {
    ask: (first) =>
      new Promise((resolve) => {
        text = ''
        hear = first
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
  let hear: ((text: string) => void) | undefined
  socket.on('reply.delta', (delta: { text: string }) => {
    if (!text) hear?.(delta.text)
    text += delta.text
  })
  return {
    ask: (first) =>
      new Promise((resolve, reject) => {
        text = ''
        hear = first
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
  /** Milliseconds from the model's first word, which tells when it was sent, to its arrival. Everybody asks so many times in a row, not all at once. */
  wait: async ({ name, times, spread }: { name: string; times: number; spread: number }) => {
    const waited: number[] = []
    const crowd = crowds.get(name) ?? []
    await Promise.all(
      crowd.map(async ({ ask }, at) => {
        await new Promise((resolve) => setTimeout(resolve, (at * spread) / crowd.length))
        for (let time = 0; time < times; time++)
          await within(
            PATIENCE,
            ask((text) => waited.push((microseconds() - Number(text.split(' ')[0])) / 1000)),
            `an answer of ${name}`,
          )
      }),
    )
    return waited
  },
})
