/** The public contract: what clients send, what they hear. Types live here once; clients import them from here. */
import type { DurableEvents, LiveEvents } from '../../machines/event.ts'
import type { Message, Part } from '../../machines/message.ts'
import type { RefusalCode } from '../../machines/refusal.ts'

export type { Citation, Cost, Message, Part, Usage } from '../../machines/message.ts'

/** How far a client has come: the last durable event, and the text of the reply in flight (UTF-16 units). */
export interface Cursor {
  seq: number
  turn?: string
  attempt?: number
  offset?: number
}

export type Refused = { ok: false; code: RefusalCode; message: string; details?: unknown; retryAfter?: number }
export type Acknowledgement<T> = (answer: ({ ok: true } & T) | Refused) => void

export interface Delta {
  conversation: string
  turn: string
  attempt: number
  /** UTF-16 units from the start of this attempt. */
  offset: number
  text: string
}

/** The reply in flight, whole: the next delta's `offset` equals `text.length`. */
export interface Live {
  turn: string
  attempt: number
  text: string
}

export interface Joined {
  conversation: string
  seq: number
  state: { value: unknown; attention: 'automated' | 'human' }
  /** The newest messages, oldest first. */
  messages: Message[]
  live?: Live
  /** Every event since the cursor, in order, deltas of the reply in flight included. Absent: take `messages` and `live`. */
  missed?: [name: string, payload: unknown][]
}

export interface ClientEvents {
  'conversation.join': (ask: { conversation?: string; bot?: string; after?: Cursor }, answer: Acknowledgement<Joined>) => void
  'conversation.leave': (ask: { conversation: string }, answer?: Acknowledgement<object>) => void
  'message.send': (
    ask: { conversation: string; id: string; text: string; parts?: Part[] },
    answer: Acknowledgement<{ id: string; seq: number; duplicate?: true }>,
  ) => void
  'reply.stop': (ask: { conversation: string }, answer: Acknowledgement<{ stopped: boolean }>) => void
  /** What the reader has shown; without it the server watches the socket's own queue. */
  'reply.seen': (ask: { conversation: string; cursor: Cursor }, answer?: Acknowledgement<object>) => void
  'typing.started': (ask: { conversation: string }, answer?: Acknowledgement<object>) => void
  'typing.stopped': (ask: { conversation: string }, answer?: Acknowledgement<object>) => void
}

type WithSeq<E> = E extends { message: infer M extends object } ? Omit<E, 'message'> & { message: M & { seq: number } } : E

/** Durable events carry `seq`; their message, where they have one, carries the same. */
export type ServerEvents = {
  [N in keyof DurableEvents]: (payload: { conversation: string; seq: number } & WithSeq<DurableEvents[N]>) => void
} & {
  [N in keyof LiveEvents]: (payload: { conversation: string; at: number } & LiveEvents[N]) => void
} & {
  'reply.delta': (payload: Delta) => void
  /** The live feed stops here for this socket; join again with the cursor. */
  'conversation.lagged': (payload: { conversation: string; reason: 'slow' | 'moved' }) => void
  /** This node goes away; come back within so many milliseconds. */
  'node.leaving': (payload: { within: number }) => void
  'typing.started': (payload: { conversation: string; who: string }) => void
  'typing.stopped': (payload: { conversation: string; who: string }) => void
}
