/**
 * Pages lately read, for readers whose line breaks again and again, and for a whole crowd that comes back at once. The store says
 * for the whole crowd in one statement where its conversations stand; a page that stands there still is not read again.
 */
import { type Page, readPage } from '../../sql/conversations.ts'
import type { Database } from '../../sql/database.ts'
import { createPositions } from './positions.ts'

export interface Wish {
  /** Events after this number; without it none. */
  after: number | undefined
  most: number
  messages: number
}

export type Pages = (tenant: string, conversation: string, wish: Wish) => Promise<Page | undefined>

interface Kept {
  page: Page
  /** Events after this number are in it. */
  after: number
  /** UTF-16 units of its texts, about. */
  size: number
  at: number
}

/** UTF-16 units of all pages together. */
const MOST = 4_000_000
/** Milliseconds after which a page is let go, and between two looks for such: a conversation at rest costs nothing. */
const LIFE = 15_000

/** Every wish is expected to ask for the same `most` and `messages`. */
export function createPages(db: Database, now: () => number = Date.now): Pages {
  const position = createPositions(db)
  const kept = new Map<string, Kept>()
  let size = 0
  let timer: NodeJS.Timeout | undefined

  function drop(key: string) {
    size -= kept.get(key)?.size ?? 0
    kept.delete(key)
  }

  /** The oldest stand first. */
  function sweep() {
    timer = undefined
    for (const [key, { at }] of kept) {
      if (size <= MOST && at + LIFE > now()) break
      drop(key)
    }
    if (kept.size === 0) return
    timer = setTimeout(sweep, LIFE)
    timer.unref()
  }

  function keep(key: string, page: Page, after: number) {
    drop(key)
    const one = { page, after, size: sizeOf(page), at: now() }
    kept.set(key, one)
    size += one.size
    if (!timer || size > MOST) {
      clearTimeout(timer)
      sweep()
    }
  }

  return async (tenant, conversation, wish) => {
    const key = `${tenant}/${conversation}`
    const { after } = wish
    const found = kept.get(key)
    // Not what this node knows: somebody else may have moved it.
    if (found && found.page.conversation.seq === (await position(tenant, conversation))) {
      const { page } = found
      if (after === undefined) return { ...page, events: [] }
      if (after >= found.after) return { ...page, events: page.events.filter(({ seq }) => seq > after) }
    }
    const page = await readPage(db, tenant, conversation, wish)
    if (page) {
      // A page that was cut short says nothing of what came after: those who missed less would take its part for the whole.
      const isWhole = page.events.length <= wish.most
      keep(key, isWhole ? page : { ...page, events: [] }, isWhole ? (after ?? page.conversation.seq) : page.conversation.seq)
    }
    return page
  }
}

const sizeOf = ({ messages, events }: Page): number =>
  JSON.stringify(events).length + messages.reduce((sum, { text }) => sum + text.length + 200, 200)
