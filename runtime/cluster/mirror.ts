/**
 * What the watchers of one conversation have been told on one node, whoever owns it. It makes the cut of a join exact, serves the second
 * watcher without a question, lets nothing through twice, and shows when something is missing.
 */
import { restOf } from '../host/rest.ts'
import type { Live } from './stage.ts'

export interface Mirror {
  /** The last durable event; undefined until somebody has said where the conversation stands. */
  seq: number | undefined
  live: Live | undefined
  /** By turn: the last attempt that ended. Whatever comes of it later was overtaken by its end. `Infinity`: the whole turn is over. */
  readonly over: Map<string, number>
}

/** Turns whose end is remembered: as many may end while a slow store is read, and words of all that were held meanwhile come behind. */
const TURNS = 64

export const freshMirror = (): Mirror => ({ seq: undefined, live: undefined, over: new Map() })

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

const attemptEnds = new Set(['reply.finished', 'reply.retracted'])
const turnEnds = new Set(['turn.finished', 'turn.failed', 'turn.stopped'])

/** Takes what the owner tells, once: answers what is new to the watchers here, or `gap` when something before it is missing. */
export function take(mirror: Mirror, name: string, payload: object): Told[] | 'gap' {
  const { seq, turn, attempt = 0, offset = 0, text = '' } = payload as Payload
  if (name === 'reply.delta') return takeWords(mirror, payload, { turn: turn as string, attempt, text }, offset)
  if (seq === undefined) return isOver(mirror, turn, Number.POSITIVE_INFINITY) ? [] : [{ name, payload }]
  if (mirror.seq !== undefined) {
    if (seq <= mirror.seq) {
      // A page may have shown it before it was told.
      end(mirror, name, turn, attempt)
      return []
    }
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
  end(mirror, name, turn, attempt)
  return told
}

function end(mirror: Mirror, name: string, turn: string | undefined, attempt: number) {
  const ended = attemptEnds.has(name) ? attempt : turnEnds.has(name) ? Number.POSITIVE_INFINITY : undefined
  if (turn === undefined || ended === undefined) return
  if (mirror.live?.turn === turn && mirror.live.attempt <= ended) mirror.live = undefined
  // Told once more, an older end takes nothing back.
  mirror.over.set(turn, Math.max(ended, mirror.over.get(turn) ?? -1))
  const [oldest] = mirror.over.keys()
  if (mirror.over.size > TURNS && oldest !== undefined) mirror.over.delete(oldest)
}

const isOver = ({ over }: Mirror, turn: string | undefined, attempt: number) => turn !== undefined && attempt <= (over.get(turn) ?? -1)

function takeWords(mirror: Mirror, payload: object, { turn, attempt, text }: Live, offset: number): Told[] | 'gap' {
  const { live } = mirror
  if (isOver(mirror, turn, attempt) || (live?.turn === turn && attempt < live.attempt)) return []
  const have = live?.turn === turn && live.attempt === attempt ? live.text : ''
  if (offset > have.length) return 'gap'
  const fresh = text.slice(have.length - offset)
  if (!fresh) return []
  mirror.live = { turn, attempt, text: have + fresh }
  return [{ name: 'reply.delta', payload: have.length === offset ? payload : { ...payload, offset: have.length, text: fresh } }]
}
