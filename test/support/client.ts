/**
 * A client that does what PROTOCOL.md asks of one and nothing more: keeps the numbered events without gaps, puts the deltas
 * together by offset, joins again where something is missing. Everything that it heard stays readable.
 */
import { type ManagerOptions, type Socket, type SocketOptions, io } from 'socket.io-client'
import type { Cursor, Joined, Message, Refused } from '../../runtime/gateway/protocol.ts'
import { until } from './server.ts'
import { within } from './within.ts'

const PATIENCE = 10_000

export type Told<T> = ({ ok: true } & T) | Refused
type Event = [name: string, payload: Payload]
export interface Payload {
  conversation: string
  seq?: number
  turn?: string
  attempt?: number
  offset?: number
  text?: string
  message?: Message
  code?: string
  reason?: string
  messages?: string[]
  [more: string]: unknown
}

export interface TestClient {
  socket: Socket
  /** Everything heard, in order. */
  heard: Event[]
  /** Any event, with its acknowledgement. */
  tell<T = object>(name: string, payload?: unknown): Promise<Told<T>>
  /** Resolves with the answer; what follows in the feed is kept from the very next event on. */
  join(conversation?: string, after?: Cursor): Promise<Joined>
  send(conversation: string, text: string, id?: string): Promise<Told<{ id: string; seq: number; duplicate?: true }>>
  stop(conversation: string): Promise<Told<{ stopped: boolean }>>
  /** Waits for the first event of this name that fits. */
  hears(name: string, fits?: (payload: Payload) => boolean): Promise<Payload>
  /** Waits for the end of the turn that answers this message; throws when the turn failed and nobody asked for that. */
  answerTo(id: string): Promise<Message>
  close(): void
}

export async function testClient(
  url: string,
  { token, ...options }: Partial<ManagerOptions & SocketOptions> & { token?: string } = {},
): Promise<TestClient> {
  const socket = io(url, {
    transports: ['websocket'],
    forceNew: true,
    multiplex: false,
    reconnection: false,
    ...(token && { auth: { token } }),
    ...options,
  })
  const heard: Event[] = []
  socket.onAny((name: string, payload: Payload) => heard.push([name, payload]))
  await within(
    PATIENCE,
    new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('connect_error', (error) => {
        socket.close()
        reject(error)
      })
    }),
    'connecting',
  )

  // Taken in the callback: after an `await` the events right behind the answer would come first.
  const tell = <T>(name: string, payload?: unknown): Promise<Told<T>> =>
    within(
      PATIENCE,
      new Promise((resolve) => socket.emit(name, ...(payload === undefined ? [] : [payload]), resolve)),
      `the answer to ${name}`,
    )

  const client: TestClient = {
    socket,
    heard,
    tell,
    async join(conversation, after) {
      const answer = await tell<Joined>('conversation.join', { ...(conversation && { conversation }), ...(after && { after }) })
      if (!answer.ok) throw Object.assign(new Error(answer.message), { code: answer.code })
      return answer
    },
    send: (conversation, text, id = crypto.randomUUID()) => tell('message.send', { conversation, id, text }),
    stop: (conversation) => tell('reply.stop', { conversation }),
    async hears(name, fits = () => true) {
      const [, payload] = await until(() => heard.find(([one, payload]) => one === name && fits(payload)), name)
      return payload
    },
    async answerTo(id) {
      const { turn } = await client.hears('turn.started', ({ messages }) => messages?.includes(id) ?? false)
      const [name, end] = await until(
        () => heard.find(([one, payload]) => ['turn.finished', 'turn.failed', 'turn.stopped'].includes(one) && payload.turn === turn),
        `the end of turn ${turn}`,
        20_000,
      )
      if (name === 'turn.failed') throw Object.assign(new Error(`${turn} failed: ${String(end.message)}`), { code: end.code })
      return (await client.hears('reply.finished', (payload) => payload.turn === turn)).message as Message
    },
    close: () => void socket.close(),
  }
  return client
}

/** What a reader has put together from a feed, by the rules; `faults` names every rule that the server broke. */
export interface Reading {
  seq: number
  text: string
  turn?: string
  attempt: number
  finished: Message[]
  retracted: number
  faults: string[]
}

export const reading = (seq = 0): Reading => ({ seq, text: '', attempt: 0, finished: [], retracted: 0, faults: [] })

export function read(so: Reading, events: readonly (readonly [string, unknown])[]): Reading {
  for (const [name, given] of events) {
    const { seq, turn, attempt = 0, offset = 0, text = '', message } = given as Payload
    if (seq !== undefined) {
      if (seq <= so.seq) continue
      if (seq !== so.seq + 1) so.faults.push(`${name} has seq ${seq} after ${so.seq}`)
      so.seq = seq
    }
    if (name === 'reply.delta') {
      if (turn !== so.turn || attempt > so.attempt) {
        Object.assign(so, { turn, attempt, text: '' })
        if (offset > 0) so.faults.push(`attempt ${attempt} begins at ${offset}`)
      }
      if (attempt < so.attempt) continue
      if (offset > so.text.length) so.faults.push(`a hole from ${so.text.length} to ${offset}`)
      so.text += text.slice(so.text.length - offset)
    } else if (name === 'reply.retracted') {
      so.retracted++
      so.text = ''
    } else if (name === 'reply.finished' && message) {
      if (turn === so.turn && message.text !== so.text) so.faults.push(`${turn} finished with other words than were said`)
      so.finished.push(message)
      so.text = ''
    }
  }
  return so
}

export const cursorOf = ({ seq, turn, attempt, text }: Reading): Cursor =>
  text && turn ? { seq, turn, attempt, offset: text.length } : { seq }

/** Takes up a feed where it stands: the answer to a join without a cursor. */
export function readFrom({ seq, live }: Joined): Reading {
  return { ...reading(seq), ...(live && { turn: live.turn, attempt: live.attempt, text: live.text }) }
}
