/**
 * Joining a conversation without a seam: what was, what is being said, and from here on everything live. Nothing slips between
 * and nothing comes twice, because the last part happens in one synchronous stretch.
 */
import type { Message } from '../../machines/message.ts'
import { Refusal } from '../../machines/refusal.ts'
import { type Page, readPage } from '../../sql/conversations.ts'
import type { Database } from '../../sql/database.ts'
import { within } from '../../sql/within.ts'
import { type Bus, type Frame, roomOf } from '../cluster/bus.ts'
import type { Stage } from '../cluster/stage.ts'
import { failpoint } from '../host/failpoint.ts'
import type { Pages } from './pages.ts'
import { promptly } from './promptly.ts'
import type { Cursor, Joined } from './protocol.ts'

/** Events and bytes of a replay; beyond them a fresh join is the better answer, and never a part that looks whole. */
const MISSED = 500
const MISSED_BYTES = 262_144
const MESSAGES = 50
/** Milliseconds to wait for an event that is committed and not yet told, and for its being read again where nobody is about to tell it. */
const CATCH_UP = 200
const READ_AGAIN = 1_000

interface Needs {
  db: Database
  bus: Bus
  stage: Stage
  /** Without them every page is read. */
  pages?: Pages
}

/**
 * `enter` runs in the synchronous stretch: whoever subscribes there misses nothing that is not in the answer. It hears whose the
 * conversation is, unless nobody has begun it; what it throws is thrown here, and nobody has come in.
 */
export async function join(
  { db, bus, stage, pages = (...asked) => readPage(db, ...asked) }: Needs,
  tenant: string,
  conversation: string,
  after: Cursor | undefined,
  enter: (joined: Joined, owner: string | undefined) => void,
): Promise<void> {
  const heard: Frame[] = []
  const leave = bus.watch(roomOf(tenant, conversation), (frame) => heard.push(frame))
  try {
    await stage.joined(tenant, conversation)
    const read = () => promptly(pages(tenant, conversation, { after: after?.seq, most: MISSED, messages: MESSAGES }))
    // Begun while we read: what was told meanwhile is not told again to us, and stands in the store by now.
    const page = (await read()) ?? (heard.length > 0 ? await read() : undefined)
    void stage.stands(tenant, conversation, page?.conversation.seq ?? 0)
    if (!page) {
      if (after && after.seq > 0) throw new Refusal('cursor.ahead')
      return enter({ conversation, seq: 0, state: { value: 'automated', attention: 'automated' }, messages: [] }, undefined)
    }
    failpoint('join.read')
    await caughtUp(stage, tenant, conversation, page.conversation.seq)
    enter(answer(page, heard, stage.live(tenant, conversation), after), page.conversation.owner)
  } finally {
    leave()
  }
}

/**
 * A step may be committed and read by us before its watchers were told: a moment later both agree. While they do not, nobody comes
 * in: what is in the page would be told once more behind it.
 */
async function caughtUp(stage: Stage, tenant: string, conversation: string, seq: number) {
  const isBehind = () => (stage.position(tenant, conversation) ?? seq) < seq
  const until = performance.now() + CATCH_UP
  while (isBehind() && performance.now() < until) await new Promise((resolve) => setTimeout(resolve, 2))
  if (isBehind()) await within(READ_AGAIN, stage.refresh(tenant, conversation), () => {})
  if (isBehind()) throw new Refusal('store.unavailable')
}

type Event = [name: string, payload: unknown]

function answer({ conversation, messages, events }: Page, heard: Frame[], live: Joined['live'], after: Cursor | undefined): Joined {
  const numbered = heard.filter(({ payload }) => (payload as { seq?: number }).seq !== undefined) as (Frame & { payload: Numbered })[]
  const newer = numbered.filter(({ payload }) => payload.seq > conversation.seq)
  const seq = newer.at(-1)?.payload.seq ?? conversation.seq
  if (after && after.seq > seq) throw new Refusal('cursor.ahead')

  const state = { value: conversation.state as unknown, attention: conversation.attention }
  for (const { name, payload } of newer)
    if (name === 'conversation.state') Object.assign(state, { value: payload.value, attention: payload.attention })
  const said = newer.flatMap(({ payload: { message } }) => (typeof message === 'object' ? [message] : []))
  const joined: Joined = {
    conversation: conversation.id,
    seq,
    state,
    messages: [...messages, ...said].slice(-MESSAGES),
    ...(live && { live }),
  }

  if (after && events.length <= MISSED) {
    const stored = events.map(({ seq: at, name, payload }): Event => [name, { conversation: conversation.id, seq: at, ...payload }])
    const missed = spoken([...stored, ...newer.map(({ name, payload }): Event => [name, payload])], conversation.id, live, after)
    if (JSON.stringify(missed).length <= MISSED_BYTES) joined.missed = missed
  }
  return joined
}

interface Numbered {
  seq: number
  value?: unknown
  attention?: 'automated' | 'human'
  message?: Message
}

/** Puts the words between the events: those of finished replies before their end, those in flight last. */
function spoken(events: Event[], conversation: string, live: Joined['live'], after: Cursor): Event[] {
  const heardOf = (turn: string, attempt: number) => (after.turn === turn && after.attempt === attempt ? (after.offset ?? 0) : 0)
  const words = (turn: string, attempt: number, text: string): Event[] => {
    const offset = heardOf(turn, attempt)
    return offset < text.length ? [['reply.delta', { conversation, turn, attempt, offset, text: text.slice(offset) }]] : []
  }
  const all = events.flatMap(([name, payload]): Event[] => {
    if (name !== 'reply.finished') return [[name, payload]]
    const { turn, attempt, message } = payload as { turn: string; attempt: number; message: Message }
    return [...words(turn, attempt, message.text), [name, payload]]
  })
  return live ? [...all, ...words(live.turn, live.attempt, live.text)] : all
}
