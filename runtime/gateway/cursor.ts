/** A cursor as the id of a server-sent event. */
import { Refusal } from '../../machines/refusal.ts'
import type { Cursor } from './protocol.ts'

export const cursorText = ({ seq, turn, attempt, offset }: Cursor) =>
  turn === undefined ? `${seq}` : `${seq}.${turn}.${attempt ?? 0}.${offset ?? 0}`

/** Throws `request.malformed` for what no stream of ours ever sent. */
export function readCursor(text: string): Cursor {
  const [, seq, turn, attempt, offset] = /^(\d{1,15})(?:\.([\w-]{1,40})\.(\d{1,9})\.(\d{1,9}))?$/.exec(text) ?? []
  if (seq === undefined) throw new Refusal('request.malformed', { details: [{ path: 'last-event-id', message: 'is no cursor' }] })
  return turn === undefined ? { seq: Number(seq) } : { seq: Number(seq), turn, attempt: Number(attempt), offset: Number(offset) }
}
