/** How much of a conversation a model gets to read: one policy for every caller. */
import type { Message } from '../machines/message.ts'
import type { ModelMessage } from './models/model.ts'
import { shortened } from './shorten.ts'

export interface HistoryPolicy {
  /** The newest messages, at most. */
  messages: number
  /** The newest exchanges, at most; one begins where a person speaks after somebody else. */
  turns: number
  /** Tokens of brief and messages together; the newest counts first. */
  tokens: number
  /** What is told in short once the whole does not fit. It counts before all messages and is never dropped. */
  brief: { messages: number; tokens: number }
}

export const defaultHistory: HistoryPolicy = { messages: 20, turns: 10, tokens: 2_000, brief: { messages: 8, tokens: 900 } }

type Said = Pick<Message, 'role' | 'text'>
type Count = (text: string) => number

/** Fewer tokens of a message say nothing. */
const CRUMB = 40

/** What people and agents said; notices of the system are for clients. */
export const toldOf = <M extends Said>(messages: M[]): M[] => messages.filter(({ role, text }) => role !== 'system' && text.trim() !== '')

/** True when nothing of it would be left out of the window. */
export function fits(messages: Said[], count: Count, { messages: most, turns, tokens }: HistoryPolicy = defaultHistory): boolean {
  const told = toldOf(messages)
  return told.length <= most && turnsIn(told) <= turns && tokensOf(told, count) <= tokens
}

/**
 * The newest messages that fit, oldest first. The last exchange is shortened rather than left out: without it "explain
 * that" means nothing. The window begins with a person's word, as every provider wants it.
 */
export function windowOf<M extends Said>(
  messages: M[],
  count: Count,
  { messages: most, turns, tokens }: HistoryPolicy = defaultHistory,
): M[] {
  const told = toldOf(messages)
  const last = told.length - lastExchange(told).length
  const kept: M[] = []
  let left = tokens
  for (let at = told.length - 1; at >= 0 && kept.length < most; at--) {
    const message = told[at] as M
    const cost = count(message.text)
    if (cost <= left) {
      kept.unshift(message)
      left -= cost
    } else {
      if (at < last || left < CRUMB) break
      // An answer that is too long must leave room for its question.
      const room = message.role === 'user' ? left : Math.floor(left * 0.75)
      const text = shortened(message.text, room, count)
      kept.unshift({ ...message, text })
      left -= count(text)
    }
    if (beginsTurn(told, at) && turnsIn(kept) >= turns) break
  }
  while (kept[0] && kept[0].role !== 'user') kept.shift()
  return kept
}

/** What is repeated word for word: beside a brief the last exchange only, without one what the window holds. */
export const repeated = <M extends Said>(
  past: M[],
  brief: string | undefined,
  count: Count,
  policy: HistoryPolicy = defaultHistory,
): M[] =>
  brief
    ? windowOf(lastExchange(toldOf(past)), count, { ...policy, tokens: Math.max(0, policy.tokens - count(brief)) })
    : windowOf(past, count, policy)

/** From the last time that a person began to speak. */
export function lastExchange<M extends Said>(told: M[]): M[] {
  const at = told.findLastIndex((_, at) => beginsTurn(told, at))
  return at < 0 ? told : told.slice(at)
}

export const tokensOf = (messages: Said[], count: Count): number => messages.reduce((sum, { text }) => sum + count(text), 0)

const beginsTurn = (told: Said[], at: number) => told[at]?.role === 'user' && told[at - 1]?.role !== 'user'
const turnsIn = (told: Said[]) => told.filter((_, at) => beginsTurn(told, at)).length

/** Messages as models take them: neighbours of one role are joined, an operator speaks for the house. */
export function asModelMessages(messages: Said[]): ModelMessage[] {
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
