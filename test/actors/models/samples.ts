/** What the tests of this room share: an adapter for each wire, a request that names only what matters, time by hand. */
import { anthropicModel } from '../../../actors/models/model.anthropic.ts'
import { chatModel } from '../../../actors/models/model.chat.ts'
import { geminiModel } from '../../../actors/models/model.gemini.ts'
import { ollamaModel } from '../../../actors/models/model.ollama.ts'
import { openaiModel } from '../../../actors/models/model.openai.ts'
import type { Clock } from '../../../actors/models/clock.ts'
import type { ModelEvent, ModelRequest, Provider } from '../../../actors/models/model.ts'
import type { Wire } from '../../support/provider.ts'
import { within } from '../../support/within.ts'

export { within }

type Place = { baseUrl: string; fetch?: typeof fetch | undefined }

export const adapters: Record<Wire, (place: Place) => Provider> = {
  anthropic: (place) => anthropicModel({ apiKey: 'test-key', ...place }),
  openai: (place) => openaiModel({ apiKey: 'test-key', ...place }),
  chat: (place) => chatModel({ apiKey: 'test-key', ...place }),
  gemini: (place) => geminiModel({ apiKey: 'test-key', ...place }),
  ollama: (place) => ollamaModel(place),
}

export const request = (wish: Partial<ModelRequest> = {}): ModelRequest => ({
  model: 'test-model',
  system: 'You are kind.',
  messages: [{ role: 'user', text: 'Why is the sky blue?' }],
  maxTokens: 256,
  ...wish,
})

export const quiet = () => new AbortController().signal

export async function all<T>(events: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const event of events) found.push(event)
  return found
}

export const tell = (provider: Provider, wish: Partial<ModelRequest> = {}, signal = quiet()): Promise<ModelEvent[]> =>
  within(8_000, all(provider.stream(request(wish), { signal })))

export const textOf = (events: { t: string; d?: string }[]) => events.map((event) => (event.t === 'text' ? event.d : '')).join('')

export const only = <E extends { t: string }, T extends E['t']>(events: E[], t: T) =>
  events.filter((event): event is Extract<E, { t: T }> => event.t === t)

/** Time stands still until `pass`. */
export function handClock(start = 0): Clock & { pass(ms: number): Promise<void>; waits: number[]; waiting(): number } {
  let now = start
  const timers: { due: number; then: () => void }[] = []
  const waits: number[] = []
  const settle = async () => {
    for (let i = 0; i < 20; i++) await new Promise(setImmediate)
  }
  return {
    now: () => now,
    waits,
    waiting: () => timers.length,
    after: (ms, then) => {
      const timer = { due: now + ms, then }
      waits.push(ms)
      timers.push(timer)
      return () => {
        const at = timers.indexOf(timer)
        if (at >= 0) timers.splice(at, 1)
      }
    },
    pass: async (ms) => {
      await settle()
      const end = now + ms
      for (;;) {
        const next = timers.filter(({ due }) => due <= end).sort((a, b) => a.due - b.due)[0]
        if (!next) break
        timers.splice(timers.indexOf(next), 1)
        now = Math.max(now, next.due)
        next.then()
        await settle()
      }
      now = end
      await settle()
    },
  }
}

/** Every wait is over at once, and remembered. */
export function eagerClock(): Clock & { waits: number[] } {
  let now = 0
  const waits: number[] = []
  return {
    now: () => now,
    waits,
    after: (ms, then) => {
      waits.push(ms)
      let taken = false
      setImmediate(() => {
        if (taken) return
        now += ms
        then()
      })
      return () => {
        taken = true
      }
    },
  }
}

/** A provider that says what it is told, one script for each call. */
export function scripted(
  name: string,
  ...scripts: (ModelEvent[] | ((signal: AbortSignal) => AsyncIterable<ModelEvent>))[]
): Provider & { asked: ModelRequest[] } {
  const asked: ModelRequest[] = []
  return {
    name,
    asked,
    async *stream(request, { signal }) {
      asked.push(request)
      const script = scripts[asked.length - 1] ?? scripts.at(-1) ?? []
      if (typeof script === 'function') return yield* script(signal)
      yield* script
    },
  }
}

export const says = (provider: string, model: string, text: string): ModelEvent[] => [
  { t: 'start', provider, model },
  ...(text.match(/\S+\s*/g) ?? []).map((d): ModelEvent => ({ t: 'text', d })),
  { t: 'usage', usage: { in: 10, out: 5 } },
  { t: 'end', reason: 'stop', raw: 'stop' },
]

export const fails = (
  kind: Extract<ModelEvent, { t: 'fail' }>['kind'],
  more: Partial<Extract<ModelEvent, { t: 'fail' }>> = {},
): ModelEvent[] => [{ t: 'fail', kind, message: `scripted ${kind}`, partial: false, ...more }]

/** The text in pieces of so many units. */
export const cutBy = (text: string, n: number): string[] => text.match(new RegExp(`[\\s\\S]{1,${n}}`, 'g')) ?? []
