/** What the tests of this room share: messages, a piece of work, and models that say what the test tells them to say. */
import type { Work } from '../../actors/work.ts'
import { count } from '../../actors/models/count.ts'
import type { Clock } from '../../actors/models/clock.ts'
import type { Decide } from '../../actors/models/decisions.ts'
import type { Ask, Models, RoutedEvent, Ticket } from '../../actors/models/models.ts'
import type { Message } from '../../machines/message.ts'

export { count }

let last = 0
export const message = (wish: Partial<Message> = {}): Message => ({
  id: `m${++last}`,
  seq: last,
  role: 'user',
  text: 'hello',
  at: last,
  ...wish,
})

/** `dialog('q', 'a', 'q', …)`: a person and an assistant in turn. */
export const dialog = (...texts: string[]): Message[] => texts.map((text, at) => message({ role: at % 2 ? 'assistant' : 'user', text }))

export const work = (wish: Partial<Work> = {}): Work => ({
  tenant: 'acme',
  actor: 'c1',
  id: 'w1',
  attempt: 1,
  signal: new AbortController().signal,
  keep() {},
  ...wish,
})

export type Script = RoutedEvent[] | 'silence'

/** A whole stream that says this. */
export const says = (text: string, wish: { reason?: 'stop' | 'length'; usage?: { in: number; out: number } } = {}): RoutedEvent[] => [
  { t: 'start', provider: 'test', model: 'tester' },
  { t: 'text', d: text },
  { t: 'usage', usage: wish.usage ?? { in: 10, out: 5 }, cost: 0.001 },
  { t: 'end', reason: wish.reason ?? 'stop', raw: 'end' },
]

/** Scripts are used up in order, the last one for all that follow; `silence` ends only when aborted. */
export function fakeModels(
  scripts: Script[],
  wish: { admin?: boolean; decide?: Decide; continues?: boolean } = {},
): Pick<Models, 'stream' | 'has' | 'count' | 'decide' | 'cancel' | 'continues'> & { asked: Ask[]; cancelled: Ticket[] } {
  const asked: Ask[] = []
  const cancelled: Ticket[] = []
  return {
    asked,
    cancelled,
    cancel: (ticket) => void cancelled.push(ticket),
    count,
    has: (tier) => tier !== 'admin' || wish.admin === true,
    continues: () => wish.continues === true,
    ...(wish.decide && { decide: wish.decide }),
    async *stream(ask, { signal, opened }) {
      asked.push(ask)
      const script = scripts[Math.min(asked.length, scripts.length) - 1] ?? []
      if (script === 'silence') {
        if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
        yield { t: 'fail', kind: 'abort', message: 'the call was aborted', partial: false }
        return
      }
      for (const event of script) {
        if (signal.aborted) return yield { t: 'fail', kind: 'abort', message: 'the call was aborted', partial: false }
        if (event.t === 'start' && event.ticket) opened?.({ provider: event.provider, model: event.model, id: event.ticket } as Ticket)
        yield event
      }
    },
  }
}

/** Time by hand. */
export function handClock(): Clock & { tick(ms: number): void } {
  let now = 0
  let waiting: { at: number; then: () => void }[] = []
  return {
    now: () => now,
    after(ms, then) {
      const timer = { at: now + ms, then }
      waiting.push(timer)
      return () => {
        waiting = waiting.filter((other) => other !== timer)
      }
    },
    tick(ms) {
      now += ms
      const due = waiting.filter(({ at }) => at <= now)
      waiting = waiting.filter(({ at }) => at > now)
      for (const { then } of due) then()
    },
  }
}
