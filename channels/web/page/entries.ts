/** A transcript in reading order, each entry under a key that it keeps from its first letter to its last. */
import type { Live, Message } from '../../../runtime/gateway/protocol.ts'
import type { Note, Outgoing, Transcript } from '../transcript.ts'

export type Entry =
  | { kind: 'message'; key: string; message: Message }
  | { kind: 'note'; key: string; note: Note }
  | { kind: 'outgoing'; key: string; message: Outgoing }
  | { kind: 'reply'; key: string; reply: Live }

export function entriesOf({ messages, notes, outgoing, reply }: Transcript): Entry[] {
  const settled: [seq: number, entry: Entry][] = [
    ...messages.map((message): [number, Entry] => [message.seq, { kind: 'message', key: keyOf(message, messages), message }]),
    ...notes.map((note): [number, Entry] => [note.seq, { kind: 'note', key: `note ${note.seq}`, note }]),
  ]
  return [
    ...settled.sort(([a], [b]) => a - b).map(([, entry]) => entry),
    ...outgoing.map((message): Entry => ({ kind: 'outgoing', key: message.id, message })),
    // Last, as its message will be: its number is given when it is finished.
    ...(reply ? [{ kind: 'reply', key: `turn ${reply.turn}`, reply } satisfies Entry] : []),
  ]
}

/** A reply goes on under its turn's key when it has become a message, so the page keeps its nodes. */
function keyOf(message: Message, all: Message[]): string {
  const { turn, role, id } = message
  const answers = turn !== undefined && role !== 'user' && all.findLast((m) => m.turn === turn && m.role !== 'user') === message
  return answers ? `turn ${turn}` : id
}
