/** A tool's arguments as they came: text that is meant to be JSON, and is not when the model ran out of tokens inside it. */
import type { ModelEvent } from './model.ts'

export function toolReady(id: string, name: string, text: string): ModelEvent {
  if (text.trim() === '') return { t: 'toolReady', id, name, args: {} }
  try {
    return { t: 'toolReady', id, name, args: JSON.parse(text) as unknown }
  } catch {
    // Not a fault of the stream: the model wrote it, and the tool's caller tells the model so.
    return { t: 'toolReady', id, name, args: undefined, broken: text }
  }
}

/** Some providers give calls no id. Counted on from the calls already in the conversation, so none is used twice. */
export function inventedIds(messages: { role: string; toolCalls?: unknown[] }[]): () => string {
  let n = messages.reduce((sum, message) => sum + (message.toolCalls?.length ?? 0), 0)
  return () => `call_${++n}`
}

export const isInvented = (id: string) => /^call_\d+$/.test(id)
