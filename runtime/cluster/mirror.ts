/**
 * What watchers of one conversation have been told on a node where it does not live. It makes the cut of a join exact, serves the
 * second watcher without a question, and shows when something is missing.
 */
import { restOf } from '../host/rest.ts'
import type { Live } from './stage.ts'

export interface Mirror {
  /** The last durable event; undefined until somebody has said where the conversation stands. */
  seq: number | undefined
  live: Live | undefined
}

export interface Told {
  name: string
  payload: object
}

interface Payload {
  seq?: number
  turn?: string
  attempt?: number
  offset?: number
  text?: string
}

const turnEnds = new Set(['turn.finished', 'turn.failed', 'turn.stopped'])

/** Takes what the owner tells, once: answers what is new to the watchers here, or `gap` when something before it is missing. */
export function take(mirror: Mirror, name: string, payload: object): Told[] | 'gap' {
  const { seq, turn, attempt = 0, offset = 0, text = '' } = payload as Payload
  if (name === 'reply.delta') return takeWords(mirror, payload as Required<Payload>, { turn: turn as string, attempt, text }, offset)
  if (seq === undefined) return [{ name, payload }]
  if (mirror.seq !== undefined) {
    if (seq <= mirror.seq) return []
    if (seq > mirror.seq + 1) return 'gap'
  }
  mirror.seq = seq
  const told: Told[] = []
  // Words that got lost on their way are in the message itself.
  if (name === 'reply.finished') {
    const rest = restOf(mirror.live, payload)
    if (rest) told.push({ name: 'reply.delta', payload: { conversation: (payload as { conversation: string }).conversation, ...rest } })
  }
  told.push({ name, payload })
  if ((name === 'reply.finished' || name === 'reply.retracted' || turnEnds.has(name)) && mirror.live?.turn === turn) mirror.live = undefined
  return told
}

function takeWords(mirror: Mirror, payload: object, { turn, attempt, text }: Live, offset: number): Told[] | 'gap' {
  const { live } = mirror
  const isSame = live?.turn === turn && live.attempt === attempt
  if (live?.turn === turn && attempt < live.attempt) return []
  const have = isSame ? live.text : ''
  if (offset > have.length) return 'gap'
  const fresh = text.slice(have.length - offset)
  if (!fresh) return []
  mirror.live = { turn, attempt, text: have + fresh }
  return [{ name: 'reply.delta', payload: have.length === offset ? payload : { ...payload, offset: have.length, text: fresh } }]
}
