/** LISTEN and NOTIFY: texts of up to 8000 bytes to whoever listens at a channel. Nothing is kept for whoever does not. */
import postgres from 'postgres'
import type { Database, Sql } from './database.ts'
import { connect } from './database.postgres.ts'
import { within } from './within.ts'

export interface Note {
  channel: string
  text: string
}

/** Tells them in this order, in one transaction. */
export async function notify({ sql }: Pick<Database, 'sql'>, notes: Note[]): Promise<void> {
  await sql`
    select pg_notify(channel, text)
    from unnest(${notes.map(({ channel }) => channel)}::text[], ${notes.map(({ text }) => text)}::text[]) as note (channel, text)
  `
}

export interface Ear {
  /** Resolves once the server knows. */
  listen(channel: string, hear: (text: string) => void): Promise<void>
  close(): Promise<void>
}

interface Told {
  /** The connection is lost, and what is told meanwhile with it. */
  lost(why: unknown): void
  back(): void
}

/** Milliseconds between two attempts to come back. */
const PAUSE = { least: 50, most: 1_000 }
/** Milliseconds after which a quiet connection is asked whether it still listens, and in which it must answer. */
const CHECK = 5_000
const PATIENCE = 5_000

/**
 * A connection of its own that listens, and comes back by itself. postgres.js' `sql.listen` would too, but pauses for up to twenty
 * seconds, and does not notice a server that is gone without a word.
 */
export function openEar(url: string, told: Told): Ear {
  const hears = new Map<string, (text: string) => void>()
  let line = plug()
  let waiting: (() => void)[] = []
  let wake = () => {}
  let lost = false
  let closed = false

  function plug() {
    const mine = { gone: false, sql: open(url, hear, gone) }
    function gone() {
      mine.gone = true
      if (mine === line) wake()
    }
    return mine
  }

  function hear(channel: string, text: string) {
    hears.get(channel)?.(text)
  }

  /** Listening where one listens already does nothing, so that this is also the question whether the line lives. */
  async function listen() {
    const done = waiting
    waiting = []
    try {
      const text = [...hears.keys()].map((channel) => `listen "${channel.replaceAll('"', '""')}"`).join('; ')
      if (text) await within<unknown>(PATIENCE, line.sql.unsafe(text).simple(), unanswered)
      if (line.gone) throw new Error(GONE)
      for (const one of done) one()
    } catch (why) {
      waiting.push(...done)
      throw why
    }
  }

  const rest = (ms: number) =>
    new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms)
      timer.unref()
      wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })

  /** Listens, and looks again; with a new client once it fails, so that what the old one believes of its connection harms nobody. */
  async function keep() {
    let pause = PAUSE.least
    while (!closed) {
      try {
        await listen()
        if (lost) told.back()
        lost = false
        pause = PAUSE.least
        if (waiting.length === 0 && !line.gone) await rest(CHECK)
        if (line.gone) throw new Error(GONE)
      } catch (why) {
        if (closed) return
        if (!lost) told.lost(why)
        lost = true
        await rest(pause)
        pause = Math.min(pause * 2, PAUSE.most)
        if (closed) return
        void line.sql.end({ timeout: 0 })
        line = plug()
      }
    }
  }
  void keep()

  return {
    listen(channel, hear) {
      hears.set(channel, hear)
      return new Promise((resolve) => {
        waiting.push(resolve)
        wake()
      })
    },
    async close() {
      if (closed) return
      closed = true
      hears.clear()
      wake()
      await line.sql.end({ timeout: 1 })
    },
  }
}

const GONE = 'the connection is lost'

const unanswered = () => {
  throw new Error('the server does not answer')
}

/** One connection, made like all others. postgres.js hands `onnotify` and `onclose` on, although its types know only one of them. */
function open(url: string, onnotify: (channel: string, text: string) => void, onclose: () => void): Sql {
  const { options } = connect(url, 1, { application: 'nexus ear' })
  return postgres({ ...options, onnotify, onclose } as unknown as postgres.Options<Record<string, postgres.PostgresType>>)
}
