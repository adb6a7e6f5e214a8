/** What the page shows, as signals: set at most once a frame, however fast the events come. */
import { signal } from '@preact/signals'
import { connect, type Line } from '../client.ts'
import type { Transcript } from '../transcript.ts'
import { uuid } from '../uuid.ts'
import { remember } from './chats.ts'
import { keeping } from './keeping.ts'
import { go, route, watchRoute } from './route.ts'

const bot = new URLSearchParams(location.search).get('bot') ?? undefined

const client = connect({ store: keeping, token: () => keeping.getItem('nexus.token') ?? undefined })

export const transcript = signal<Transcript | undefined>(undefined)
export const line = signal<Line>(client.line)

let frame = 0
function draw(): void {
  frame = 0
  transcript.value = client.transcript
  line.value = client.line
  if (client.transcript) remember(client.transcript)
}

export function start(): void {
  client.listen(() => {
    if (frame === 0) frame = requestAnimationFrame(draw)
  })
  watchRoute(follow)
  follow()
  addEventListener('online', () => client.wake())
  document.addEventListener('visibilitychange', () => document.hidden || client.wake())
}

function follow(): void {
  const conversation = route()
  if (conversation) client.open(conversation, bot)
  else client.leave()
}

/** A chat gets its id with its first message, so that looking at the page makes no empty conversations. */
export function send(text: string): void {
  if (!client.transcript) {
    const conversation = uuid()
    client.open(conversation, bot)
    go(conversation)
  }
  client.typing(false)
  client.send(text)
}

/** The last question once more, as a message of its own. */
export function retry(): void {
  const last = client.transcript?.messages.findLast(({ role }) => role === 'user')
  if (last) client.send(last.text)
}

export const stop = (): void => client.stop()
export const resend = (id: string): void => client.resend(id)
export const discard = (id: string): void => client.discard(id)

let typedAt = 0
/** Told at most every three seconds: it is a courtesy, not a keylogger. */
export function typing(busy: boolean): void {
  const now = Date.now()
  if (busy && now - typedAt < 3_000) return
  typedAt = busy ? now : 0
  client.typing(busy)
}
