/** Messages that were said and not acknowledged, kept where a reload finds them. Several tabs share it: every change reads first. */
import type { Outgoing } from './transcript.ts'

/** The part of `localStorage` that we need; a Map-backed one serves outside a page. */
export interface Store {
  getItem(key: string): string | null
  setItem(key: string, value: string): void
  removeItem(key: string): void
}

export interface Outbox {
  all(conversation: string): Outgoing[]
  keep(conversation: string, message: Outgoing): void
  drop(conversation: string, id: string): void
}

export function outbox(store: Store): Outbox {
  const keyOf = (conversation: string) => `nexus.outbox.${conversation}`
  const all = (conversation: string): Outgoing[] => read(store.getItem(keyOf(conversation)))
  const write = (conversation: string, messages: Outgoing[]) => {
    if (messages.length === 0) store.removeItem(keyOf(conversation))
    else store.setItem(keyOf(conversation), JSON.stringify(messages))
  }
  return {
    all,
    keep: (conversation, message) => write(conversation, [...all(conversation).filter(({ id }) => id !== message.id), message]),
    drop(conversation, id) {
      const kept = all(conversation)
      if (kept.some((message) => message.id === id))
        write(
          conversation,
          kept.filter((message) => message.id !== id),
        )
    },
  }
}

/** What somebody else wrote under our key is as good as nothing. */
function read(text: string | null): Outgoing[] {
  if (text === null) return []
  try {
    const kept: unknown = JSON.parse(text)
    return Array.isArray(kept) ? kept.filter(isOutgoing) : []
  } catch {
    return [] // not JSON: not ours
  }
}

const isOutgoing = (value: unknown): value is Outgoing =>
  typeof value === 'object' &&
  value !== null &&
  'id' in value &&
  typeof value.id === 'string' &&
  'text' in value &&
  typeof value.text === 'string'

/** A store that lives as long as the process. */
export function memoryStore(): Store {
  const kept = new Map<string, string>()
  return {
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => void kept.set(key, value),
    removeItem: (key) => void kept.delete(key),
  }
}
