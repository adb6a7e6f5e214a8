/**
 * One client, as a person's browser would be: sends, hears, loses its connection, comes back with its cursor and sends again what
 * nobody told it was kept. All it knows of the system is the protocol.
 */
import { type Socket, io } from 'socket.io-client'
import type { Cursor, Joined } from '../../runtime/gateway/protocol.ts'
import type { random } from '../support/random.ts'
import { type Frame, type Keep, type Payload, type Talk, now } from './journal.ts'
import type { Recovery } from './recoveries.ts'
import { type Reading, cursorOf, hear, reading, takeUp } from './reading.ts'

/** How often, from 0 to 1, a client does what clients do. */
export interface Habits {
  /** Sends a message twice. */
  twice: number
  /** Sends and loses the connection before the answer. */
  losesAnswer: number
  /** Sends two messages at once. */
  burst: number
  /** Sends another one while an answer is being written. */
  early: number
  /** Stops an answer. */
  stops: number
  /** Stops reading for a while, in mid-answer. */
  stalls: number
  /** Messages in one conversation, before it begins another. */
  most: number
}

export const habits: Habits = { twice: 0.1, losesAnswer: 0.1, burst: 0.15, early: 0.1, stops: 0.05, stalls: 0, most: 8 }

/** What a message asks; the double knows by `ref` whose answer it gives. */
export const question = (ref: string) => `Please explain how the tides of the sea come about, in some words. (ref ${ref})`

export interface Talker {
  /** Begins nothing more; what is under way goes on. */
  rest(): void
  /** Messages sent that have not come to an end, oldest first. */
  waiting(): { conversation: string; id: string; since: number }[]
  /** Heard words since then. */
  heardSince(at: number): boolean
  /**
   * A fault struck: if words are being said, the time until the next one is a recovery. `anew`: until the first one of another attempt;
   * what was on its way already does not count, and an answer that comes to its end all the same was not cut.
   */
  struck(at: number, anew?: boolean): void
  /** The conversation in which words are being said. */
  speaking(): string | undefined
  /** Each fault that words were waiting in, and the next word after it; milliseconds since 1970. */
  recoveries: Recovery[]
  /** Since when it waits to hear words again. */
  struckAt(): number | undefined
  close(): void
}

export interface TalkerNeeds {
  /** Asked before every attempt to connect. */
  url(): string
  /** Milliseconds without a sign, while it waits for one, after which it looks for another door. */
  deaf?: number
  chance: ReturnType<typeof random>
  habits: Habits
  begin(conversation: string, door?: Talk['door']): Talk
  keep: Keep
}

/** Codes by which the server says: not now. Nothing was accepted. */
export const passing = new Set(['store.unavailable', 'server.draining', 'mailbox.full'])
export const AGAIN = 100

interface Message {
  id: string
  text: string
  tries: number
  since: number
  /** Told to be kept, or refused for good. */
  settled: boolean
  over: boolean
}

export function socketTalker({ url, deaf, chance, habits, begin, keep }: TalkerNeeds): Talker {
  const socket: Socket = io(url(), {
    transports: ['websocket'],
    forceNew: true,
    multiplex: false,
    ...(deaf && { timeout: deaf }),
    reconnectionDelay: 50,
    reconnectionDelayMax: 500,
    randomizationFactor: 0.3,
  })
  let talk: Talk
  let so: Reading
  let messages: Message[]
  let joined = false
  let resting = false
  let closed = false
  let due: NodeJS.Timeout | undefined
  let heardAt = 0
  /** When the server last said anything at all. */
  let signAt = 0
  let struckAt: number | undefined
  /** The attempt that was being said when the fault struck, where only another one counts. */
  let cut: { turn: string; attempt: number } | undefined
  /** Words after which this answer is stopped, or not read for a while. */
  let stopAfter = 0
  let stallAfter = 0
  const recoveries: Recovery[] = []
  const happens = (often: number) => chance.next() < often

  function renew() {
    talk = begin(crypto.randomUUID())
    so = reading()
    messages = []
  }

  function join() {
    joined = false
    const mine = talk
    const after: Cursor = cursorOf(so)
    socket.emit('conversation.join', { conversation: mine.conversation, after }, (answer: { ok: true } & Joined) => {
      signAt = now()
      if (mine !== talk) return
      if (!answer.ok) return void setTimeout(() => socket.connected && mine === talk && !joined && join(), AGAIN)
      const { seq, missed, live, messages: told } = answer
      keep(talk, { t: 'joined', at: now(), after, seq, ...(missed ? { missed: missed as Frame[] } : { live, messages: told }) })
      if (missed) for (const frame of missed as Frame[]) take(frame)
      else takeUp(so, answer)
      joined = true
      for (const message of messages) if (!message.settled) send(message)
      next()
    })
  }

  function send(message: Message) {
    const mine = talk
    message.tries++
    keep(talk, { t: 'sent', at: now(), id: message.id, text: message.text, tries: message.tries })
    socket.emit(
      'message.send',
      { conversation: talk.conversation, id: message.id, text: message.text },
      (answer: { ok: boolean; seq: number; code: string }) => {
        signAt = now()
        if (mine !== talk) return
        if (answer.ok) {
          keep(talk, { t: 'accepted', at: now(), id: message.id, seq: answer.seq })
          message.settled = true
        } else {
          keep(talk, { t: 'refused', at: now(), id: message.id, code: answer.code })
          if (!passing.has(answer.code)) message.settled = message.over = true
          else setTimeout(() => mine === talk && joined && !message.settled && send(message), AGAIN)
        }
        next()
      },
    )
  }

  function say() {
    const id = crypto.randomUUID()
    const message: Message = { id, text: question(id), tries: 0, since: now(), settled: false, over: false }
    messages.push(message)
    send(message)
    if (happens(habits.twice)) send(message)
  }

  /** Whatever comes next, a little later: people think. */
  function next() {
    if (!joined || resting || closed || due || messages.some(({ over }) => !over)) return
    due = setTimeout(() => {
      due = undefined
      if (!joined || resting || closed || messages.some(({ over }) => !over)) return
      if (messages.length >= habits.most) {
        socket.emit('conversation.leave', { conversation: talk.conversation })
        renew()
        return join()
      }
      stopAfter = happens(habits.stops) ? 1 + chance.below(6) : 0
      stallAfter = happens(habits.stalls) ? 1 + chance.below(6) : 0
      say()
      if (happens(habits.burst)) say()
      if (happens(habits.losesAnswer)) socket.io.engine.close()
    }, 5 + chance.below(100))
  }

  function take(frame: Frame) {
    const [name] = frame
    hear(so, frame)
    if (name === 'reply.delta' || name === 'reply.finished') heardAt = now()
    if (name === 'reply.delta' || name === 'reply.finished' || name.startsWith('turn.f') || name === 'turn.stopped') recover(frame)
    for (const message of messages) message.over ||= so.ends.has(so.turnOf.get(message.id) ?? '')
    if (name === 'reply.delta') {
      if (stopAfter > 0 && --stopAfter === 0) stop()
      if (stallAfter > 0 && --stallAfter === 0) stall()
      if (joined && !resting && messages.length < habits.most && happens(habits.early / 10)) say()
    }
  }

  function recover([name, { turn, attempt = cut?.attempt }]: Frame) {
    const isOld = cut && turn === cut.turn && attempt === cut.attempt
    if (isOld && name === 'reply.delta') return
    if (struckAt !== undefined && !isOld) recoveries.push({ struck: struckAt, spoke: now() })
    struckAt = cut = undefined
  }

  function stop() {
    keep(talk, { t: 'stop', at: now() })
    socket.emit('reply.stop', { conversation: talk.conversation }, () => {})
  }

  /** The kernel's buffers fill, and then the server's. */
  function stall() {
    const wire = (socket.io.engine as unknown as { transport: { ws?: { pause(): void; resume(): void } } }).transport.ws
    const ms = 300 + chance.below(2_000)
    keep(talk, { t: 'stalled', at: now(), ms })
    wire?.pause()
    setTimeout(() => wire?.resume(), ms)
  }

  /** Goes away and comes back, perhaps by another door. */
  const move = () => socket.io.engine.close()

  // Nobody who waits in vain knows whether the line is dead, the node, or only the model.
  function listen() {
    const waits = socket.connected && (!joined || messages.some(({ over }) => !over))
    if (waits && now() - signAt > (deaf as number)) move()
  }
  const listening = deaf ? setInterval(listen, 250) : undefined

  renew()
  // A Manager reads its address whenever it opens; no type says so.
  socket.io.on('reconnect_attempt', () => Object.assign(socket.io, { uri: url() }))
  socket.on('connect', () => {
    signAt = now()
    join()
  })
  socket.on('disconnect', (why) => {
    joined = false
    keep(talk, { t: 'lost', at: now(), why })
  })
  socket.onAny((name: string, payload: Payload) => {
    signAt = now()
    if (name === 'node.leaving') return void setTimeout(() => socket.connected && move(), (payload as { within: number }).within)
    if (payload.conversation !== talk.conversation) return
    keep(talk, { t: 'heard', at: now(), frame: [name, payload] })
    if (name === 'conversation.lagged') return join()
    take([name, payload])
    next()
  })

  return {
    rest() {
      resting = true
    },
    waiting: () => messages.filter(({ over }) => !over).map(({ id, since }) => ({ conversation: talk.conversation, id, since })),
    heardSince: (at) => heardAt > at,
    struck(at, anew = false) {
      // Struck again before it had recovered: the time from the last fault is the one that can be told.
      if (!so.voice && struckAt === undefined) return
      struckAt = at
      cut = anew ? so.voice && { turn: so.voice.turn, attempt: so.voice.attempt } : undefined
    },
    speaking: () => so.voice && talk.conversation,
    recoveries,
    struckAt: () => struckAt,
    close() {
      closed = true
      clearTimeout(due)
      clearInterval(listening)
      socket.close()
    },
  }
}
