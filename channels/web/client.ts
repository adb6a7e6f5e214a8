/** A client of the chat: one socket, one conversation at a time. Needs no page, so tests and the load tester run the same code. */
import { io, type Socket } from 'socket.io-client'
import type { ClientEvents, Joined, Part, Refused, ServerEvents } from '../../runtime/gateway/protocol.ts'
import { delivery, jitter, passes, waitFor } from './delivery.ts'
import { type Line, watchLine } from './line.ts'
import { memoryStore, outbox, type Store } from './outbox.ts'
import { begin, cursor, discard, fail, type Heard, hear, join, say, settle, type Transcript } from './transcript.ts'
import { uuid } from './uuid.ts'

export type { Line } from './line.ts'
export { memoryStore, type Store } from './outbox.ts'

export interface Needs {
  /** Where the server is; absent in a page: where the page came from. */
  url?: string
  /** Asked again on every connect, so that a reconnect brings a fresh credential. */
  token?: () => string | undefined | Promise<string | undefined>
  /** Where unsent messages outlive a reload. Absent: they live as long as this client. */
  store?: Store
  /** How long an acknowledgement may take before the message goes out again under the same id. */
  patience?: number
  /** How long the line may be down before it says so. */
  grace?: number
  /** False: a connection of its own, for many clients in one process. */
  multiplex?: boolean
  /** Instead of one that is opened here. */
  socket?: Socket<ServerEvents, ClientEvents>
  now?: () => number
}

export interface Client {
  readonly transcript: Transcript | undefined
  readonly line: Line
  /** Watches a conversation, made by this call if the id is new. Watching it again asks for what was missed. */
  open(conversation?: string, bot?: string): string
  /** Stops watching; the socket stays. */
  leave(): void
  /** Shows the message at once, delivers it when it can, and answers its id. */
  send(text: string, parts?: Part[]): string
  resend(id: string): void
  discard(id: string): void
  stop(): void
  typing(busy: boolean): void
  /** The network is said to be back: try now instead of waiting for the next attempt. */
  wake(): void
  close(): void
  /** Called after every change, batches as one; answers how to stop listening. */
  listen(heard: () => void): () => void
}

const SEEN_EVERY = 250 // the protocol's bound; the server counts what is outstanding by it

export function connect(needs: Needs = {}): Client {
  const { patience = 10_000, now = Date.now, multiplex = true } = needs
  const kept = outbox(needs.store ?? memoryStore())
  const token = needs.token ?? (() => undefined)
  const options = {
    auth: (answer: (credential: object) => void) =>
      void Promise.resolve(token()).then(
        (value) => answer(value === undefined ? {} : { token: value }),
        () => answer({}), // no credential to be had: the server's refusal says more than we could
      ),
    transports: ['websocket', 'polling'],
    tryAllTransports: true,
    multiplex,
    autoConnect: false,
  }
  const socket: Socket<ServerEvents, ClientEvents> = needs.socket ?? (needs.url === undefined ? io(options) : io(needs.url, options))

  let transcript: Transcript | undefined
  let bot: string | undefined
  let joining = false
  let joined = false
  let closing = false
  let seenDue: ReturnType<typeof setTimeout> | undefined
  const pauses = new Set<ReturnType<typeof setTimeout>>()
  const listeners = new Set<() => void>()
  const tell = () => {
    for (const heard of [...listeners]) heard()
  }
  const line = watchLine(socket, needs.grace ?? 2_000, tell)

  function become(next: Transcript): void {
    if (next === transcript) return
    for (const { id } of transcript?.outgoing ?? []) if (!next.outgoing.some((out) => out.id === id)) kept.drop(next.conversation, id)
    transcript = next
    tell()
  }

  function later(ms: number, then: () => void): void {
    const pause = setTimeout(() => {
      pauses.delete(pause)
      then()
    }, ms)
    pauses.add(pause)
  }

  // The answer is taken in the callback: after an `await` the events right behind it would come first (socket.io in Node).
  function askToJoin(how: 'on' | 'anew' = 'on'): void {
    if (!transcript || joining || !socket.connected) return
    const { conversation } = transcript
    const from = how === 'on' ? cursor(transcript) : undefined
    joining = true
    const ask = { conversation, ...(bot ? { bot } : {}), ...(from ? { after: from } : {}) }
    socket.timeout(patience).emit('conversation.join', ask, (error, answer) => {
      joining = false
      if (transcript?.conversation !== conversation) {
        // Answered too late: the server holds us there, and would go on telling.
        if (!error && answer.ok) socket.emit('conversation.leave', { conversation })
        return askToJoin()
      }
      if (error) return socket.connected ? later(jitter(500), () => askToJoin()) : undefined
      if (!answer.ok) return turnedAway(answer, from !== undefined)
      entered(answer, from !== undefined)
    })
  }

  function entered(answer: Joined, withCursor: boolean): void {
    if (!transcript) return
    joined = true
    line.admitted()
    become(join(transcript, answer))
    if (transcript.behind && withCursor) return askToJoin('anew')
    seen()
    deliver()
  }

  function turnedAway(refused: Refused, withCursor: boolean): void {
    // A store that was emptied is behind us: what it has now is the truth.
    if (refused.code === 'cursor.ahead' && withCursor) return askToJoin('anew')
    if (passes(refused)) return later(waitFor(refused), () => askToJoin())
    line.refused(refused.message)
  }

  function seen(): void {
    if (seenDue || !transcript?.reply) return
    seenDue = setTimeout(() => {
      seenDue = undefined
      const at = transcript && cursor(transcript)
      if (transcript && at && socket.connected && joined) socket.emit('reply.seen', { conversation: transcript.conversation, cursor: at })
    }, SEEN_EVERY)
  }

  const deliver = delivery({
    socket,
    patience,
    later,
    next() {
      const message = joined && socket.connected ? transcript?.outgoing.find(({ failed }) => failed === undefined) : undefined
      return transcript && message && { conversation: transcript.conversation, message }
    },
    done(conversation, id, answer) {
      if (transcript?.conversation === conversation) become(answer.ok ? settle(transcript, id, answer.seq) : fail(transcript, id, answer))
      if (answer.ok) return kept.drop(conversation, id)
      const message = kept.all(conversation).find((out) => out.id === id)
      if (message) kept.keep(conversation, { ...message, failed: answer.message })
    },
  })

  socket.onAny((name: string, payload: unknown) => {
    if (name === 'node.leaving') return comeBack(payload)
    if (name === 'conversation.lagged') return isOurs(payload) ? fallBehind() : undefined
    // Before the answer to a join there is no seam to go on from: what a late answer brought has been given up.
    if (!transcript || !joined || !isOurs(payload)) return
    become(hear(transcript, [name, payload]))
    if (transcript.behind) askToJoin()
    else seen()
  })
  socket.on('connect', () => askToJoin())
  socket.on('disconnect', (reason) => {
    joining = joined = false
    // A server that closes on purpose is not retried by socket.io itself.
    if (reason === 'io server disconnect' && !closing) later(jitter(500), () => socket.connect())
  })
  socket.on('connect_error', (error) => {
    if (socket.active || closing) return // socket.io tries again by itself
    line.refused(error.message)
    later(jitter(3_000), () => socket.connect()) // an expired credential may be renewed by then
  })

  /** The server has let us go: what it sends from here on follows a join whose answer we do not have yet. */
  function fallBehind(): void {
    joined = false
    askToJoin()
  }

  function isOurs(payload: unknown): payload is Heard[1] {
    return typeof payload === 'object' && payload !== null && 'conversation' in payload && payload.conversation === transcript?.conversation
  }

  /** The node gives each client a moment of its own, so that a thousand do not arrive elsewhere at once: to draw again would bring most of them early. */
  function comeBack(payload: unknown): void {
    const within = typeof payload === 'object' && payload !== null && 'within' in payload ? Number(payload.within) || 0 : 0
    const { id } = socket
    later(within, () => {
      // Whoever was cut before its moment has come back by itself, and is where it wanted to go.
      if (!closing && socket.id === id) socket.disconnect().connect()
    })
  }

  socket.connect()

  return {
    get transcript() {
      return transcript
    },
    get line() {
      return line.now
    },
    open(conversation = uuid(), forBot) {
      if (transcript?.conversation !== conversation) {
        this.leave()
        bot = forBot
        become(begin(conversation, kept.all(conversation)))
      }
      askToJoin()
      return conversation
    },
    leave() {
      if (!transcript) return
      if (joined && socket.connected) socket.emit('conversation.leave', { conversation: transcript.conversation })
      transcript = undefined
      joined = false
      if (socket.connected) line.admitted() // what was refused was that conversation
      tell()
    },
    send(text, parts) {
      if (!transcript) throw new Error('open a conversation before sending')
      const message = { id: uuid(), text, at: now(), ...(parts ? { parts } : {}) }
      kept.keep(transcript.conversation, message)
      become(say(transcript, message))
      deliver()
      return message.id
    },
    resend(id) {
      const message = transcript?.outgoing.find((out) => out.id === id)
      if (!transcript || !message) return
      const { failed: _, ...again } = message
      kept.keep(transcript.conversation, again)
      become(say(transcript, again))
      deliver()
    },
    discard(id) {
      if (transcript) become(discard(transcript, id))
    },
    stop() {
      if (transcript && socket.connected) socket.timeout(patience).emit('reply.stop', { conversation: transcript.conversation }, () => {}) // the outcome comes as `turn.stopped`
    },
    typing(busy) {
      if (transcript && joined && socket.connected)
        socket.volatile.emit(busy ? 'typing.started' : 'typing.stopped', { conversation: transcript.conversation })
    },
    wake() {
      if (!socket.connected && !closing) socket.connect()
    },
    close() {
      closing = true
      listeners.clear()
      socket.disconnect() // before the timers: its last events start new ones
      for (const pause of pauses) clearTimeout(pause)
      clearTimeout(seenDue)
      line.close()
    },
    listen(heard) {
      listeners.add(heard)
      return () => listeners.delete(heard)
    },
  }
}
