/** A double of the server: speaks PROTOCOL.md, answers only what a test tells it to, and serves the built page under the strict policy. */
import { createReadStream, existsSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname, join, normalize } from 'node:path'
import { Server } from 'socket.io'
import type { DurableEvents, DurableName, LiveEvents } from '../../../machines/event.ts'
import type { ClientEvents, Cursor, Joined, Live, Message, ServerEvents } from '../../../runtime/gateway/protocol.ts'

const types: Record<string, string> = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' }
export const policy =
  "default-src 'self'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self' ws: wss:; base-uri 'none'; frame-ancestors 'none'"

interface Told {
  name: string
  payload: { conversation: string; seq: number }
}

class Talk {
  readonly told: Told[] = []
  readonly messages: Message[] = []
  live: Live | undefined
  turn: Turn | undefined
}

export class Turn {
  readonly id: string
  readonly #double: Double
  readonly conversation: string
  attempt = 1
  #at: number

  constructor(double: Double, conversation: string, id: string, at: number) {
    this.#double = double
    this.conversation = conversation
    this.id = id
    this.#at = at
  }
  get talk(): Talk {
    return this.#double.talk(this.conversation)
  }
  status(agent: LiveEvents['agent.status']['agent'], status: string, more: { model?: string; tool?: string } = {}): void {
    this.#double.emit(this.conversation, 'agent.status', {
      conversation: this.conversation,
      turn: this.id,
      agent,
      status,
      at: Date.now(),
      ...more,
    })
  }
  delta(text: string): void {
    const offset = this.talk.live?.text.length ?? 0
    this.talk.live = { turn: this.id, attempt: this.attempt, text: (this.talk.live?.text ?? '') + text }
    this.#double.emit(this.conversation, 'reply.delta', {
      conversation: this.conversation,
      turn: this.id,
      attempt: this.attempt,
      offset,
      text,
    })
  }
  retract(reason: string): void {
    this.#double.tell(this.conversation, 'reply.retracted', { turn: this.id, attempt: this.attempt, reason })
    this.talk.live = undefined
    this.attempt++
  }
  finish(more: Partial<Message> & { took?: number; partial?: true } = {}): void {
    const { took = 3_200, partial, ...rest } = more
    const text = this.talk.live?.text ?? ''
    const message = {
      id: `${this.id}-answer`,
      role: 'assistant' as const,
      text,
      turn: this.id,
      agent: 'director',
      at: this.#at + took,
      ...rest,
    }
    this.talk.live = undefined
    this.#double.tell(this.conversation, 'reply.finished', {
      turn: this.id,
      attempt: this.attempt,
      message,
      usage: { in: 10, out: 20 },
      cost: 0.001,
      ...(partial ? { partial } : {}),
    })
    if (!partial) this.end()
  }
  end(): void {
    this.talk.turn = undefined
    this.#double.tell(this.conversation, 'turn.finished', { turn: this.id })
  }
  stop(): void {
    if (this.talk.live) this.finish({ partial: true })
    this.talk.turn = undefined
    this.#double.tell(this.conversation, 'turn.stopped', { turn: this.id, code: 'user.stopped' })
  }
  fail(message: string): void {
    this.talk.turn = undefined
    this.talk.live = undefined
    this.#double.tell(this.conversation, 'turn.failed', { turn: this.id, code: 'answer.failed', message })
  }
}

export class Double {
  readonly http = createServer((ask, answer) => this.#serve(ask.url ?? '/', answer))
  readonly io: Server<ClientEvents, ServerEvents>
  readonly #dist: string
  readonly #talks = new Map<string, Talk>()
  #turns: Turn[] = []
  #waiting: ((turn: Turn) => void)[] = []
  /** What clients asked, in order. */
  readonly asked: [name: string, ask: unknown][] = []
  #awaited: { name: string; count: number; came: () => void }[] = []
  models: unknown
  /** Refuses the next messages with this sentence. */
  refuses: { code: 'text.too_long'; message: string } | undefined
  /** Swallows acknowledgements, as a line that broke at the wrong moment. */
  silent = 0
  /** The same, of joins. */
  silentJoins = 0
  #port = 0

  constructor(dist: string) {
    this.#dist = dist
    this.io = new Server(this.http, { transports: ['websocket', 'polling'] })
    this.io.on('connection', (socket) => {
      socket.onAny((name: string, ask: unknown) => this.#hear(name, ask))
      socket.on('conversation.join', ({ conversation = crypto.randomUUID(), after }, answer) => {
        void socket.join(conversation)
        if (this.silentJoins > 0) this.silentJoins--
        else answer({ ok: true, ...this.joined(conversation, after) })
      })
      socket.on('conversation.leave', ({ conversation }) => void socket.leave(conversation))
      socket.on('message.send', ({ conversation, id, text }, answer) => {
        if (this.refuses) return answer({ ok: false, ...this.refuses })
        const known = this.talk(conversation).messages.find((message) => message.id === id)
        const seq = known?.seq ?? this.accept(conversation, id, text)
        if (this.silent > 0) this.silent--
        else answer({ ok: true, id, seq, ...(known ? { duplicate: true } : {}) })
      })
      socket.on('reply.stop', ({ conversation }, answer) => {
        const { turn } = this.talk(conversation)
        turn?.stop()
        answer({ ok: true, stopped: turn !== undefined })
      })
    })
  }

  #hear(name: string, ask: unknown): void {
    this.asked.push([name, ask])
    for (const { name, count, came } of this.#awaited) if (this.#count(name) >= count) came()
  }
  #count = (name: string): number => this.asked.filter(([asked]) => asked === name).length

  /** Until this was asked so many times. */
  asks(name: string, count: number): Promise<void> {
    return this.#count(name) >= count ? Promise.resolve() : new Promise((came) => this.#awaited.push({ name, count, came }))
  }

  talk(conversation: string): Talk {
    let talk = this.#talks.get(conversation)
    if (!talk) this.#talks.set(conversation, (talk = new Talk()))
    return talk
  }

  joined(conversation: string, after?: Cursor): Joined {
    const { told, messages, live } = this.talk(conversation)
    const missed =
      after && told.filter(({ payload }) => payload.seq > after.seq).map(({ name, payload }): [string, unknown] => [name, payload])
    return {
      conversation,
      seq: told.length,
      state: { value: 'listening', attention: 'automated' },
      messages: [...messages],
      ...(live ? { live } : {}),
      ...(missed ? { missed } : {}),
    }
  }

  accept(conversation: string, id: string, text: string): number {
    const at = Date.now()
    const talk = this.talk(conversation)
    const seq = this.tell(conversation, 'message.accepted', { message: { id, role: 'user', text, at } })
    const turn = (talk.turn = new Turn(this, conversation, `turn-${conversation.slice(0, 4)}-${seq}`, at))
    this.tell(conversation, 'turn.started', { turn: turn.id, messages: [id] })
    const waiting = this.#waiting.shift()
    if (waiting) waiting(turn)
    else this.#turns.push(turn)
    return seq
  }

  /** The next turn that a message began. */
  turn(): Promise<Turn> {
    const turn = this.#turns.shift()
    return turn ? Promise.resolve(turn) : new Promise((resolve) => this.#waiting.push(resolve))
  }

  tell<N extends DurableName>(conversation: string, name: N, event: DurableEvents[N]): number {
    const talk = this.talk(conversation)
    const seq = talk.told.length + 1
    const message = 'message' in event && typeof event.message === 'object' ? { ...event.message, seq } : undefined
    const payload = { conversation, seq, ...event, ...(message ? { message } : {}) }
    talk.told.push({ name, payload })
    if (message) talk.messages.push(message)
    this.emit(conversation, name, payload)
    return seq
  }

  emit(conversation: string, name: string, payload: unknown): void {
    ;(this.io.to(conversation) as { emit(name: string, payload: unknown): void }).emit(name, payload)
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.http.listen(this.#port, '127.0.0.1', resolve))
    this.#port = (this.http.address() as AddressInfo).port
    return this.url
  }
  get url(): string {
    return `http://127.0.0.1:${this.#port}`
  }
  /** The line breaks and nothing can be reached until `restore`. */
  async cut(): Promise<void> {
    this.io.engine.removeAllListeners('initial_headers')
    const closed = new Promise<void>((resolve) => this.http.close(() => resolve()))
    this.io.disconnectSockets(true)
    for (const client of Object.values((this.io.engine as unknown as { clients: Record<string, { close(): void }> }).clients))
      client.close()
    this.http.closeAllConnections()
    await closed
  }
  restore = (): Promise<string> => this.listen()

  async close(): Promise<void> {
    this.http.closeAllConnections()
    await this.io.close()
  }

  #serve(url: string, answer: import('node:http').ServerResponse): void {
    const path = new URL(url, 'http://double').pathname
    if (path === '/v1/models') {
      answer.writeHead(this.models ? 200 : 404, { 'content-type': 'application/json' }).end(JSON.stringify(this.models ?? {}))
      return
    }
    const file = join(this.#dist, normalize(path === '/' ? '/index.html' : path))
    if (!existsSync(file)) return void answer.writeHead(404).end()
    answer.writeHead(200, { 'content-type': types[extname(file)] ?? 'application/octet-stream', 'content-security-policy': policy })
    createReadStream(file).pipe(answer)
  }
}
