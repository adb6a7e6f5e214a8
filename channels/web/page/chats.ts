/** The conversations that this browser knows, newest first. The server is not asked: a visitor has no list there. */
import { signal } from '@preact/signals'
import type { Transcript } from '../transcript.ts'
import { keeping } from './keeping.ts'

export interface Chat {
  id: string
  title: string
  at: number
}

const key = 'nexus.chats'
const MOST = 100

export const chats = signal<Chat[]>(read())
addEventListener('storage', (event) => {
  if (event.key === key) chats.value = read() // another tab wrote
})

/** Lists the conversation under its first message, and moves it up when something was said. */
export function remember({ conversation, messages, outgoing }: Transcript): void {
  const first = messages.find(({ role }) => role === 'user') ?? outgoing[0]
  const last = outgoing.at(-1) ?? messages.at(-1)
  if (!first || !last) return
  const known = chats.value.find(({ id }) => id === conversation)
  if (known && known.at >= last.at) return
  const title = known?.title ?? titleOf(first.text)
  write([{ id: conversation, title, at: last.at }, ...read().filter(({ id }) => id !== conversation)])
}

export const forget = (conversation: string): void => write(read().filter(({ id }) => id !== conversation))

const titleOf = (text: string): string => {
  const line = text.trim().replace(/\s+/g, ' ')
  return line.length > 60 ? `${line.slice(0, 59).trimEnd()}…` : line
}

function write(list: Chat[]): void {
  chats.value = list.slice(0, MOST)
  keeping.setItem(key, JSON.stringify(chats.value))
}

function read(): Chat[] {
  try {
    const kept: unknown = JSON.parse(keeping.getItem(key) ?? '[]')
    return Array.isArray(kept) ? kept.filter(isChat) : []
  } catch {
    return [] // not JSON: not ours
  }
}

const isChat = (value: unknown): value is Chat =>
  typeof value === 'object' && value !== null && 'id' in value && typeof value.id === 'string' && 'title' in value && 'at' in value
