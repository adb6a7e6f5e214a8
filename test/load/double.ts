/** A server that keeps the protocol and forgets everything at its end, or breaks one rule of it on purpose. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Server, type Socket } from 'socket.io'
import type { Frame, Payload } from '../chaos/journal.ts'

/** Which rule is broken. */
export type Lie =
  | 'leaves one out'
  | 'tells one twice'
  | 'swaps two'
  | 'says other words'
  | 'answers again'
  | 'never answers'
  | 'never acknowledges'
  | 'never stops'
  | 'lets nobody in'

interface Conversation {
  events: Frame[]
  turns: number
  /** One turn at a time. */
  last: Promise<void>
  watchers: Set<Socket>
  reply?: { turn: string; text: string; stopped: boolean } | undefined
}

export type Memory = Map<string, Conversation>

export interface Double {
  url: string
  /** Tells everybody to come back elsewhere within so many milliseconds. */
  leave(within: number): void
  /** Tells nobody anything more until they join again. */
  lag(): void
  sockets(): number
  /** Where everybody who has come so far came from. */
  origins: Set<string>
  close(): Promise<void>
}

const WORDS = ['It ', 'is ', 'the ', 'moon ', 'that ', 'draws ', 'the ', 'sea, ', '潮水 ', 'rises 🌊', '.']
/** Milliseconds between two words. */
const PACE = 5

interface Asked {
  conversation: string
  id: string
  text: string
  after?: { seq: number; turn?: string; offset?: number }
}

type Answer = (told: object) => void

interface DoubleNeeds {
  lie?: Lie
  /** Doubles that share it are nodes of one cluster. */
  memory?: Memory
  /** Codes with which the next messages are refused, one each; `silence` is as if it had never come. */
  refusals?: string[]
}

export async function startDouble({ lie, memory = new Map(), refusals = [] }: DoubleNeeds = {}): Promise<Double> {
  const origins = new Set<string>()
  const http = createServer()
  const io = new Server(http, { transports: ['websocket'], serveClient: false })
  const of = (id: string): Conversation => {
    const known = memory.get(id) ?? { events: [], turns: 0, last: Promise.resolve(), watchers: new Set() }
    memory.set(id, known)
    return known
  }

  function tell(conversation: string, name: string, payload: Payload, times = 1) {
    const all = of(conversation)
    const frame: Frame = [name, { conversation, seq: all.events.length + 1, ...payload }]
    all.events.push(frame)
    for (; times > 0; times--) pass(conversation, frame)
    return frame
  }
  function pass(conversation: string, [name, payload]: Frame) {
    for (const socket of of(conversation).watchers) socket.emit(name, payload)
  }

  async function answer(conversation: string, id: string) {
    const all = of(conversation)
    const turn = `t${++all.turns}`
    const begun = tell(conversation, 'turn.started', { turn, messages: [id] }, lie === 'leaves one out' || lie === 'swaps two' ? 0 : 1)
    if (lie === 'swaps two') {
      tell(conversation, 'turn.classified', { turn })
      pass(conversation, begun)
    }
    const reply = { turn, text: '', stopped: false }
    all.reply = reply
    for (const text of WORDS) {
      await new Promise((resolve) => setTimeout(resolve, PACE))
      if (reply.stopped) break
      pass(conversation, ['reply.delta', { conversation, turn, attempt: 1, offset: reply.text.length, text }])
      reply.text += text
    }
    const message = { id: `${turn}.1`, seq: all.events.length + 1, text: lie === 'says other words' ? `${reply.text} ` : reply.text }
    const stopped = reply.stopped
    all.reply = undefined
    tell(conversation, 'reply.finished', { turn, attempt: 1, message }, lie === 'tells one twice' ? 2 : 1)
    tell(conversation, stopped ? 'turn.stopped' : 'turn.finished', { turn })
    if (lie === 'answers again') tell(conversation, 'turn.started', { turn: `t${++all.turns}`, messages: [id] })
  }

  io.on('connection', (socket) => {
    origins.add(socket.handshake.address)
    socket.on('conversation.join', ({ conversation, after }: Asked, told: Answer) => {
      if (lie === 'lets nobody in') return
      const { events, reply, watchers } = of(conversation)
      if (after && after.seq > events.length) return told({ ok: false, code: 'cursor.ahead', message: '' })
      const had = after?.turn === reply?.turn ? (after?.offset ?? 0) : 0
      const rest: Frame[] = reply
        ? [['reply.delta', { conversation, turn: reply.turn, attempt: 1, offset: had, text: reply.text.slice(had) }]]
        : []
      const live = reply && { turn: reply.turn, attempt: 1, text: reply.text }
      watchers.add(socket)
      told({
        ok: true,
        conversation,
        seq: events.length,
        state: { value: 'automated', attention: 'automated' },
        messages: [],
        live,
        ...(after && { missed: [...events.slice(after.seq), ...rest] }),
      })
    })
    socket.on('message.send', ({ conversation, id, text }: Asked, told: Answer) => {
      const code = refusals.shift()
      if (code === 'silence') return
      if (code) return told({ ok: false, code, message: '' })
      const known = of(conversation).events.find(([, { message }]) => typeof message === 'object' && message.id === id)
      const seq = known?.[1].seq ?? of(conversation).events.length + 1
      if (lie !== 'never acknowledges') told({ ok: true, id, seq, ...(known && { duplicate: true }) })
      if (known) return
      tell(conversation, 'message.accepted', { message: { id, seq, text } })
      const all = of(conversation)
      if (lie !== 'never answers') all.last = all.last.then(() => answer(conversation, id))
    })
    socket.on('reply.stop', ({ conversation }: Asked, told: Answer) => {
      const { reply } = of(conversation)
      if (reply && lie !== 'never stops') reply.stopped = true
      told({ ok: true, stopped: reply !== undefined })
    })
    socket.on('disconnect', () => {
      for (const { watchers } of memory.values()) watchers.delete(socket)
    })
  })

  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    leave: (within) => void io.emit('node.leaving', { within }),
    lag() {
      for (const [conversation, { watchers }] of memory) {
        for (const socket of watchers) socket.emit('conversation.lagged', { conversation, reason: 'slow' })
        watchers.clear()
      }
    },
    sockets: () => io.sockets.sockets.size,
    origins,
    close: async () => void (await io.close()),
  }
}
