/** The protocol's rules as a strict reader sees them: whatever breaks one is written down. */
import type { Cursor, Joined } from '../../runtime/gateway/protocol.ts'
import type { Entry, Frame } from './journal.ts'

export interface Reading {
  /** The last durable event. */
  seq: number
  /** The attempt that is being said. */
  voice: { turn: string; attempt: number; text: string } | undefined
  /** The last attempt of the last turn that was begun; later ones count up from it. */
  last: { turn: string; attempt: number }
  replies: { id: string; turn: string; text: string }[]
  /** Which turn answers a message. */
  turnOf: Map<string, string>
  /** How a turn ended. */
  ends: Map<string, string>
  /** Every rule that the server broke. */
  faults: string[]
}

export const reading = (): Reading => ({
  seq: 0,
  voice: undefined,
  last: { turn: '', attempt: 0 },
  replies: [],
  turnOf: new Map(),
  ends: new Map(),
  faults: [],
})

const ends = new Set(['turn.finished', 'turn.failed', 'turn.stopped'])

export function hear(so: Reading, [name, payload]: Frame): void {
  const { seq, turn = '', attempt = 0, message } = payload
  if (seq !== undefined) {
    if (seq <= so.seq) so.faults.push(`${name} ${seq} comes again after ${so.seq}`)
    else if (seq > so.seq + 1) so.faults.push(`${name} ${seq} comes after ${so.seq}`)
    so.seq = Math.max(so.seq, seq)
  }
  if (name === 'turn.started' || name === 'turn.widened') for (const id of payload.messages ?? []) so.turnOf.set(id, turn)
  else if (name === 'reply.delta') hearWords(so, turn, attempt, payload.offset ?? 0, payload.text ?? '')
  else if (name === 'reply.retracted') {
    if (so.voice && (so.voice.turn !== turn || so.voice.attempt !== attempt))
      so.faults.push(`${turn}/${attempt} is withdrawn while ${so.voice.turn}/${so.voice.attempt} is being said`)
    so.voice = undefined
    so.last = { turn, attempt }
  } else if (name === 'reply.finished' && typeof message === 'object') {
    const said = so.voice?.turn === turn && so.voice.attempt === attempt ? so.voice.text : ''
    if (said !== message.text) so.faults.push(`${turn}/${attempt} is finished with other words than were said`)
    so.replies.push({ id: message.id, turn, text: message.text })
    so.voice = undefined
    so.last = { turn, attempt }
  } else if (ends.has(name)) {
    if (so.ends.has(turn)) so.faults.push(`${turn} ends twice: ${so.ends.get(turn)}, ${name}`)
    if (so.voice) so.faults.push(`${turn} ends while its words are neither finished nor withdrawn`)
    so.ends.set(turn, name)
    so.voice = undefined
  }
}

function hearWords(so: Reading, turn: string, attempt: number, offset: number, text: string) {
  const { voice, last } = so
  if (!voice || voice.turn !== turn || voice.attempt !== attempt) {
    if (voice) so.faults.push(`${turn}/${attempt} is mixed into ${voice.turn}/${voice.attempt}`)
    if (turn === last.turn && attempt <= last.attempt) so.faults.push(`${turn}/${attempt} speaks after it was over`)
    if (so.ends.has(turn)) so.faults.push(`${turn} speaks after its end`)
    if (offset !== 0) so.faults.push(`${turn}/${attempt} begins at ${offset}`)
    so.voice = { turn, attempt, text }
    so.last = { turn, attempt }
    return
  }
  if (offset > voice.text.length) so.faults.push(`${turn}/${attempt} has a hole from ${voice.text.length} to ${offset}`)
  const again = voice.text.slice(offset, offset + text.length)
  if (!text.startsWith(again)) so.faults.push(`${turn}/${attempt} says other words at ${offset} than before`)
  voice.text += text.slice(Math.max(0, voice.text.length - offset))
}

/** Too much was missed: what the server tells now is the whole truth. */
export function takeUp(so: Reading, { seq, live, messages = [] }: Extract<Entry, { t: 'joined' }> | Joined): void {
  so.seq = seq
  so.voice = live && { ...live }
  if (live) so.last = { turn: live.turn, attempt: live.attempt }
  for (const { id, role, turn = '', text } of messages) {
    if (role !== 'assistant' || so.replies.some((one) => one.id === id)) continue
    so.replies.push({ id, turn, text })
    so.ends.set(turn, 'turn.finished')
  }
}

export const cursorOf = ({ seq, voice }: Reading): Cursor =>
  voice ? { seq, turn: voice.turn, attempt: voice.attempt, offset: voice.text.length } : { seq }

/** Reads a socket's journal again, from its beginning. */
export function readAgain(entries: readonly Entry[]): Reading {
  const so = reading()
  for (const entry of entries) {
    if (entry.t === 'heard') hear(so, entry.frame)
    else if (entry.t === 'joined' && entry.missed) for (const frame of entry.missed) hear(so, frame)
    else if (entry.t === 'joined') takeUp(so, entry)
  }
  return so
}

/** What a reader of server-sent events has put together for one message. */
export interface Lines {
  turn: string | undefined
  text: string
  over: boolean
  error: string | undefined
  faults: string[]
}

export const lines = (): Lines => ({ turn: undefined, text: '', over: false, error: undefined, faults: [] })

export function readLine(so: Lines, { id, data }: { id: string; data: Record<string, unknown> }): void {
  const [, turn, attempt, offset] = id.split('.')
  const {
    delta = '',
    finished,
    retracted,
    error,
  } = data as { delta?: string; finished?: boolean; retracted?: boolean; error?: { code: string } }
  if (so.over) so.faults.push('a line comes after the last one')
  if (retracted) so.text = ''
  so.text += delta
  if (turn !== undefined) {
    if (so.turn !== undefined && so.turn !== turn) so.faults.push(`${turn} is mixed into ${so.turn}`)
    so.turn = turn
    if (delta && Number(offset) !== so.text.length)
      so.faults.push(`${turn}/${attempt} stands at ${offset} where ${so.text.length} was read`)
  }
  if (error) so.error = error.code
  if (finished) so.over = true
}
