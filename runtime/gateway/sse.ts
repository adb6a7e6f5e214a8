/** Server-sent events from the same feed as the sockets. Closing the stream stops nothing; a reader that stalls is paused, not buffered. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Message, Usage } from '../../machines/message.ts'
import { Refusal } from '../../machines/refusal.ts'
import type { Database } from '../../sql/database.ts'
import { type Bus, roomOf } from '../cluster/bus.ts'
import type { Stage } from '../cluster/stage.ts'
import { cursorText } from './cursor.ts'
import type { Cursor } from './protocol.ts'
import { promptly } from './promptly.ts'
import { type Feed, ends, replay } from './replay.ts'

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

const HEARTBEAT = 15_000
const PATIENCE = 120_000

interface Stream {
  tenant: string
  conversation: string
  /** Ends with the turn that answers this message; without one, with the turn of the cursor, or else with the next one. */
  message?: string
  after?: Cursor
  grammar: Grammar
  /** Runs once the stream listens: whatever it sets off is heard. Answers what was accepted, if anything was. */
  begin(): Promise<{ seq: number; duplicate?: true } | undefined>
}

interface Needs {
  db: Database
  bus: Bus
  stage: Stage
  /** Milliseconds after which a message that no turn took up is said to be late: a person may have it in hand. */
  answerTimeout?: number
}

/** Frames that wait for a reader who does not read; beyond them it comes back with its cursor. */
const HELD = 1_024

/** Takes the reply over from fastify and streams until the turn ends or the reader goes. */
export async function stream(needs: Needs, request: FastifyRequest, reply: FastifyReply, about: Stream): Promise<void> {
  const { tenant, conversation, message, grammar } = about
  let waiting: Feed[] = []
  let hear = (feed: Feed): void => {
    waiting.push(feed)
  }
  const leave = needs.bus.watch(roomOf(tenant, conversation), (frame) => hear(frame as Feed))
  let seq = 0
  let after = about.after
  try {
    await needs.stage.joined(tenant, conversation)
    if (!after) await promptly(needs.stage.stands(tenant, conversation))
    const accepted = await about.begin()
    if (accepted?.duplicate) after = { seq: accepted.seq - 1 }
    seq = after?.seq ?? accepted?.seq ?? 0
    if (after) {
      const before = await replay(needs, about, after, () => {
        waiting = [] // the replay heard them itself
      })
      waiting.unshift(...before)
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
  raw.flushHeaders() // the reader knows at once that it was let in, and not with the first word
  raw.socket?.setNoDelay(true)
  const heartbeat = setInterval(() => raw.write(': \n\n'), HEARTBEAT)

  await new Promise<void>((resolve) => {
    let turn = after?.turn
    let at: Omit<Cursor, 'seq'> | undefined =
      after?.turn === undefined ? undefined : { turn: after.turn, attempt: after.attempt ?? 0, offset: after.offset ?? 0 }
    let paused = false
    let over = false

    const close = () => {
      if (over) return
      over = true
      clearInterval(heartbeat)
      clearTimeout(late)
      leave()
      raw.end()
      resolve()
    }
    const write = (line: Line | undefined, upTo = seq) => {
      if (!line || over) return
      const more = raw.write(
        `id: ${cursorText({ seq: upTo, ...at })}\n${line.event ? `event: ${line.event}\n` : ''}data: ${JSON.stringify(line.data)}\n\n`,
      )
      if (more || paused) return
      // Little is kept for a reader who does not read: at drain we go on from where it stands.
      paused = true
      const held: Feed[] = []
      hear = (feed) => {
        held.push(feed)
        if (held.length > HELD) close()
      }
      raw.once('drain', () => {
        paused = false
        hear = take
        for (const feed of held) hear(feed)
      })
    }
    const take = ({ name, payload }: Feed) => {
      if (over || (payload.seq !== undefined && payload.seq <= seq)) return
      const before = seq
      seq = payload.seq ?? seq
      const begins = message
        ? (name === 'turn.started' || name === 'turn.widened') && payload.messages?.includes(message)
        : name === 'turn.started'
      if (turn === undefined && begins) {
        turn = payload.turn
        at = { turn, attempt: 0, offset: 0 }
      }
      if (turn === undefined || payload.turn !== turn) return
      if (name === 'reply.delta') {
        const { attempt = 0, offset = 0, text = '' } = payload
        // Words may be told twice, after a restart for one; only what comes behind the reader's place is new.
        const fresh = text.slice(Math.max(0, (at?.attempt === attempt ? (at.offset ?? 0) : 0) - offset))
        if (!fresh) return
        at = { turn, attempt, offset: offset + text.length }
        write(grammar.delta(fresh))
      } else if (name === 'reply.retracted') {
        at = { turn, attempt: payload.attempt ?? 0, offset: 0 }
        write(grammar.retracted(payload.reason ?? ''))
      } else if (name === 'reply.finished') {
        // Under the cursor before: whoever is cut off here hears the end whole.
        for (const line of grammar.finished(payload as { message: Message; usage: Usage })) write(line, before)
      } else if (ends.has(name)) {
        if (name === 'turn.failed') write(grammar.refused({ code: payload.code ?? 'answer.failed', message: String(payload.message) }))
        write(grammar.end())
        close()
      }
    }
    const late = setTimeout(() => {
      if (turn !== undefined) return
      write(grammar.refused(new Refusal('answer.late')))
      write(grammar.end())
      close()
    }, needs.answerTimeout ?? PATIENCE)
    raw.on('close', close)
    if (raw.destroyed) return close() // gone while we asked the store: its end was told before anybody listened
    request.raw.on('error', close)
    write(grammar.start())
    hear = take
    for (const feed of waiting.splice(0)) hear(feed)
  })
}
