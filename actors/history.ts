/** How much of a conversation a model gets to read: one policy for every caller. */
import type { Message } from '../machines/message.ts'
import type { ModelMessage } from './models/model.ts'

export interface HistoryPolicy {
  /** The newest messages, at most. */
  messages: number
  /** Their tokens together, at most; the newest counts first. */
  tokens: number
}

export const defaultHistory: HistoryPolicy = { messages: 20, tokens: 2_000 }

/** The newest messages that fit, oldest first. The window begins with a person's word, as every provider wants it. */
export function windowOf(messages: Message[], count: (text: string) => number, { messages: most, tokens }: HistoryPolicy = defaultHistory): Message[] {
  const kept: Message[] = []
  let spent = 0
  for (const message of messages.slice(-most).reverse()) {
    spent += count(message.text)
    if (spent > tokens) break
    kept.unshift(message)
  }
  while (kept[0] && kept[0].role === 'assistant') kept.shift()
  return kept
}

/** Messages as models take them: neighbours of one role are joined, an operator speaks for the house. */
export function asModelMessages(messages: Pick<Message, 'role' | 'text'>[]): ModelMessage[] {
  const told: ModelMessage[] = []
  for (const { role, text } of messages) {
    if (role === 'system') continue
    const speaker = role === 'user' ? 'user' : 'assistant'
    const last = told.at(-1)
    if (last && last.role === speaker) told[told.length - 1] = { role: speaker, text: `${last.text}\n${text}` }
    else told.push({ role: speaker, text })
  }
  return told
}
