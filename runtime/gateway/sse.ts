/** Server-sent events from the same feed as the sockets. Closing the stream stops nothing; a reader that stalls is paused, not buffered. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Message, Usage } from '../../machines/message.ts'
import { Refusal } from '../../machines/refusal.ts'
import { type Bus, roomOf } from '../cluster/bus.ts'
import { join } from './join.ts'
import type { Cursor, Delta } from './protocol.ts'
import type { Database } from '../../sql/database.ts'
import type { Engine } from '../host/engine.ts'

/** How one grammar says the same things. `undefined` says nothing. */
export interface Grammar {
  start(): Line | undefined
  delta(text: string): Line
  retracted(reason: string): Line | undefined
  finished(reply: { message: Message; usage: Usage; model?: string }): Line[]
  /** The last line. */
  end(): Line | undefined
  refused(refusal: { code: string; message: string }): Line
}

export interface Line {
  event?: string
  data: unknown
}

interface Feed {
  name: string
  payload: {
    seq?: number
    turn?: string
    attempt?: number
    reason?: string
    messages?: string[]
    message?: Message | string
    code?: string
    usage?: Usage
    model?: string
  } & Partial<Delta>
}

const HEARTBEAT = 15_000

export const cursorText = ({ seq, turn, attempt, offset }: Cursor) => (turn === undefined ? `${seq}` : `${seq}.${turn}.${attempt ?? 0}.${offset ?? 0}`)

/** Throws `request.malformed` for what no stream of ours ever sent. */
export function readCursor(text: string): Cursor {
  const [, seq, turn, attempt, offset] = /^(\d{1,15})(?:\.([\w-]{1,40})\.(\d{1,9})\.(\d{1,9}))?$/.exec(text) ?? []
  if (seq === undefined) throw new Refusal('request.malformed', { details: [{ path: 'last-event-id', message: 'is no cursor' }] })
  return turn === undefined ? { seq: Number(seq) } : { seq: Number(seq), turn, attempt: Number(attempt), offset: Number(offset) }
}

interface Stream {
  tenant: string
  conversation: string
  /** Ends with the turn that answers this message; without one, with the turn in flight. */
  message?: string
  after?: Cursor
  grammar: Grammar
  /** Runs once the stream listens: whatever it sets off is heard. */
  begin(): Promise<void>
}

/** Takes the reply over from fastify and streams until the turn ends or the reader goes. */
export async function stream({ db, bus, engine }: { db: Database; bus: Bus; engine: Engine }, request: FastifyRequest, reply: FastifyReply, about: Stream): Promise<void> {
  const { tenant, conversation, grammar } = about
  const waiting: Feed[] = []
  let hear = (feed: Feed) => {
    waiting.push(feed)
  }
  const leave = bus.watch(roomOf(tenant, conversation), (frame) => hear(frame as Feed))
  try {
    await about.begin()
    if (about.after) {
      waiting.length = 0 // the join below hears them itself
      await join({ db, bus, engine }, tenant, conversation, about.after, ({ missed, messages, live }) => {
        waiting.length = 0
        for (const [name, payload] of missed ?? []) waiting.push({ name, payload: payload as Feed['payload'] })
        if (!missed && live) waiting.push({ name: 'reply.delta', payload: { ...live, conversation, offset: 0 } })
        if (!missed && !live) {
          const last = messages.findLast(({ role }) => role === 'assistant')
          if (last?.turn) waiting.push({ name: 'reply.finished', payload: { seq: last.seq, turn: last.turn, message: last } }, { name: 'turn.finished', payload: { seq: last.seq, turn: last.turn } })
        }
      })
    }
  } catch (error) {
    leave()
    throw error
  }

  const { raw } = reply
  reply.hijack()
  raw.writeHead(200, {
    ...(reply.getHeaders() as Record<string, string>),
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-cache, no-transform',
    'x-accel-buffering': 'no',
  })
  raw.socket?.setNoDelay(true)
  const heartbeat = setInterval(() => raw.write(': \n\n'), HEARTBEAT)

  await new Promise<void>((resolve) => {
    let seq = about.after?.seq ?? 0
    let turn = about.message ? undefined : about.after?.turn
    let at = about.after
    let paused = false

    const close = () => {
      clearInterval(heartbeat)
      leave()
      raw.end()
      resolve()
    }
    const write = (line: Line | undefined) => {
      if (!line || raw.destroyed) return
      const cursor = at?.turn !== undefined ? { ...at, seq } : { seq }
      const more = raw.write(`id: ${cursorText(cursor)}\n${line.event ? `event: ${line.event}\n` : ''}data: ${JSON.stringify(line.data)}\n\n`)
      if (more || paused) return
      // Nothing is kept for a reader who does not read: at drain we go on from where it stands.
      paused = true
      const held: Feed[] = []
      hear = (feed) => {
        held.push(feed)
        if (held.length > 1_024) close() // it comes back with its cursor
      }
      raw.once('drain', () => {
        paused = false
        hear = take
        for (const feed of held) hear(feed)
      })
    }
    const take = ({ name, payload }: Feed) => {
      if (payload.seq !== undefined) {
        if (payload.seq <= seq && about.after) return
        seq = payload.seq
      }
      if (name === 'turn.started' && (about.message ? payload.messages?.includes(about.message) : turn === undefined)) turn = payload.turn
      if (turn === undefined && !about.message && payload.turn) turn = payload.turn
      if (turn === undefined || payload.turn !== turn) return
      if (name === 'reply.delta') {
        at = { seq, turn, attempt: payload.attempt as number, offset: (payload.offset as number) + (payload.text as string).length }
        write(grammar.delta(payload.text as string))
      } else if (name === 'reply.retracted') {
        at = undefined
        write(grammar.retracted(payload.reason ?? ''))
      } else if (name === 'reply.finished') for (const line of grammar.finished(payload as { message: Message; usage: Usage })) write(line)
      else if (name === 'turn.failed') {
        write(grammar.refused({ code: payload.code ?? 'answer.failed', message: String(payload.message) }))
        write(grammar.end())
        close()
      } else if (name === 'turn.finished' || name === 'turn.stopped') {
        write(grammar.end())
        close()
      }
    }
    raw.on('close', close)
    request.raw.on('error', close)
    write(grammar.start())
    hear = take
    for (const feed of waiting.splice(0)) hear(feed)
  })
}
