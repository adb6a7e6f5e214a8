/** Where a message stands among the others. */
import type { Message } from '../../runtime/gateway/protocol.ts'
import type { Transcript } from './transcript.ts'

/** Puts a message where its number says, once. */
export function place(messages: Message[], message: Message): Message[] {
  const others = messages.filter(({ id }) => id !== message.id)
  const at = others.findLastIndex(({ seq }) => seq < message.seq) + 1
  return [...others.slice(0, at), message, ...others.slice(at)]
}

/** What has its place among the messages is no longer on its way. */
export function settleAll(t: Transcript): Transcript {
  const outgoing = t.outgoing.filter(({ id }) => !t.messages.some((message) => message.id === id))
  return outgoing.length === t.outgoing.length ? t : { ...t, outgoing }
}
