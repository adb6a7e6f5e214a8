/** A provider of a simulated world: speaks at its own pace, fails in the ways that providers fail, and keeps its own books. */
import type { FaultKind, ModelEvent, ModelRequest, Provider } from '../../actors/models/model.ts'
import type { Clock } from '../../runtime/host/clock.ts'
import type { Chances } from './chance.ts'

export interface Generation {
  n: number
  provider: string
  model: string
  /** Marks of the messages that it answers, as `#c0m3`. */
  marks: string[]
  at: number
  /** Incarnation of the node that asked. */
  node: string
  text: string
  /** How it ended; `cut` by whoever asked, `severed` when whoever asked was killed. */
  end: 'open' | 'whole' | 'cut' | 'severed' | 'failed' | 'hung'
  poor: boolean
  /** Tokens as it bills them. */
  out: number
  /** Whoever asked counts as gone: nobody can tell it to stop. */
  disowned: boolean
  /** When its last word was spoken. */
  over: number
}

export interface Faults {
  /** Shares of calls. */
  failing: number
  hanging: number
  breaking: number
  poor: number
  slow: number
}

const words =
  'light scatters because air molecules are small and blue waves bend more than red ones 🌈 while the naïve reader sees a clear sky above every hill and river of the land'.split(
    ' ',
  )

/** Shorter than in production, so that a story needs fewer simulated minutes; the code is the same. */
export const deadlines = { first: 4_000, idle: 3_000, thinking: 6_000, total: 60_000 }

export function createProviders(chances: Chances, faults: Faults) {
  const journal: Generation[] = []
  const times = new Map<string, number>()
  const disowned = new Set<string>()
  let lively = true

  /** The provider as one incarnation of a node reaches it. */
  function reachedBy(node: string, clock: Clock, name: string): Provider {
    return { name, stream: (request, { signal }) => speak(node, clock, name, request, signal) }
  }

  async function* speak(
    node: string,
    clock: Clock,
    provider: string,
    request: ModelRequest,
    signal: AbortSignal,
  ): AsyncGenerator<ModelEvent> {
    const asked = request.messages.findLast(({ role }) => role === 'user') as { text: string } | undefined
    const marks = asked?.text.match(/#c\d+m\d+/g) ?? []
    const key = marks.join()
    const nth = (times.get(key) ?? 0) + 1
    times.set(key, nth)
    const chance = chances('generation', key, nth)
    const generation: Generation = {
      n: journal.length + 1,
      provider,
      model: request.model,
      marks,
      at: clock.now(),
      node,
      text: '',
      end: 'open',
      poor: chance.happens(lively ? faults.poor : 0),
      out: 0,
      disowned: disowned.has(node),
      over: clock.now(),
    }
    journal.push(generation)
    const pause = (ms: number) => new Promise<void>((resolve) => clock.after(ms, resolve))
    const fail = (kind: FaultKind, partial: boolean, retryAfterMs?: number): ModelEvent => {
      generation.end = 'failed'
      return { t: 'fail', kind, message: `${provider} failed`, partial, ...(retryAfterMs && { retryAfterMs }) }
    }
    const isHealthy = !lively
    try {
      await pause(chance.delay(5, 400))
      if (!isHealthy && chance.happens(faults.failing)) {
        return yield fail(
          chance.pick(['rate', 'overload', 'network', 'badreq', 'truncated'] as const),
          false,
          chance.happens(0.3) ? 700 : undefined,
        )
      }
      yield { t: 'start', provider, model: request.model }
      const hangsAt = !isHealthy && chance.happens(faults.hanging) ? chance.below(20) : -1
      const breaksAt = !isHealthy && chance.happens(faults.breaking) ? chance.below(20) : -1
      const count = 2 + chance.below(28)
      const pace = chance.happens(faults.slow) ? 150 + chance.below(300) : chance.delay(3, 60)
      let half = ''
      for (let i = 0; i < count; i++) {
        await pause(chance.delay(0, pace * 2))
        if (signal.aborted) return
        if (i === hangsAt) {
          generation.end = 'hung'
          await new Promise(() => {})
        }
        if (i === breaksAt) return yield fail(chance.pick(['network', 'truncated', 'overload'] as const), i > 0)
        const word: string = i === 0 ? `Answer ${generation.n}${generation.poor ? ' TODO: finish this' : ''}` : chance.pick(words)
        const whole = `${half}${i === 0 ? '' : ' '}${word}`
        // Deltas end wherever the provider likes, also in the middle of a surrogate pair.
        const cutAt = i < count - 1 && chance.happens(0.3) ? Math.max(1, chance.below(whole.length)) : whole.length
        half = whole.slice(cutAt)
        const d = whole.slice(0, cutAt)
        generation.text += d
        generation.over = clock.now()
        yield { t: 'text', d }
      }
      const rest = `${half}.`
      generation.text += rest
      generation.over = clock.now()
      yield { t: 'text', d: rest }
      await pause(chance.delay(0, 20))
      generation.out = count
      yield { t: 'usage', usage: { in: 10, out: count } }
      generation.end = 'whole'
      yield { t: 'end', reason: 'stop', raw: 'stop' }
    } finally {
      if (generation.end === 'open') generation.end = 'cut'
    }
  }

  return {
    journal,
    reachedBy,
    /** From now on nothing fails any more. */
    heal: () => {
      lively = false
    },
    /** Whoever asks from this incarnation counts as gone, and goes on. */
    disown(node: string) {
      disowned.add(node)
      for (const one of journal) if (one.node === node) one.disowned = true
    },
    /** Whoever asked from this incarnation is gone. */
    sever(node: string) {
      for (const one of journal) if (one.node === node && (one.end === 'open' || one.end === 'hung')) one.end = 'severed'
    },
  }
}

export type Providers = ReturnType<typeof createProviders>
