/** One retry and fallback loop for all providers, which ends with the first visible word. */
import type { Cost, Usage } from '../../machines/message.ts'
import { attempt, type Attempt } from './attempt.ts'
import { nothing, openBill, together } from './bill.ts'
import type { Breaker } from './breaker.ts'
import { type Clock, pause } from './clock.ts'
import { countRequest } from './count.ts'
import { type Hedge, race } from './hedge.ts'
import type { FaultKind, ModelEvent, ModelRequest, Provider } from './model.ts'
import { priceOf } from './prices.ts'
import { type Candidate, type Desk, type ModelSettings, outputLimits } from './tiers.ts'

/** An answer that is being written somewhere, to be read by whoever comes next. */
export interface Ticket extends Candidate {
  id: string
}

export interface Ask extends Omit<ModelRequest, 'model' | 'maxTokens' | 'ticket' | 'continues'> {
  /** Reads an answer that was begun before; nobody else is asked, as nothing that they say would fit. */
  ticket?: Ticket
  /** How an answer began that broke off: whoever can goes on behind it and says so with the start, others answer anew. */
  beginning?: string | undefined
  tier: Desk
  /** The tier's own limit unless given. */
  maxTokens?: number
}

/** `usage` holds all attempts together, also those that came to nothing; a second `start` means that the first fell silent before a visible word. */
export type RoutedEvent = Exclude<ModelEvent, { t: 'usage' }> | { t: 'usage'; usage: Usage; cost: Cost }

/** One line for whoever keeps the log. */
export interface Routing {
  /** `model.anew`: it cannot go on with what it was given, and is asked without. */
  event: 'model.failed' | 'model.hedged' | 'model.anew'
  provider: string
  model: string
  kind?: FaultKind
  message?: string
}

export interface Route {
  ask: Ask
  signal: AbortSignal
  candidates: Candidate[]
  providers: Partial<Record<string, Provider>>
  breaker: Breaker
  hedge: Hedge
  clock: Clock
  random: () => number
  log: (line: Routing) => void
  settings: ModelSettings
  tell(event: RoutedEvent): void
  opened(ticket: Ticket): void
}

type Fail = Extract<ModelEvent, { t: 'fail' }>
type End = Extract<ModelEvent, { t: 'end' }>

const TRIES = 3 // of one candidate that only asks for patience
const ROUNDS = 2 // through all candidates that failed in a passing way
const LONGEST_WAIT = 20_000 // a person is waiting
const LONGEST_WAIT_WITH_OTHERS = 3_000 // somebody else could have answered by then
const againSoon: FaultKind[] = ['overload', 'network', 'truncated']
const passing: FaultKind[] = [...againSoon, 'rate', 'stall']

/** Resolves when the last event was told. */
export async function route(given: Route): Promise<void> {
  let r = given
  const over = (spent: typeof nothing, last: End | Fail) => {
    r.tell({ t: 'usage', ...spent })
    r.tell(last)
  }
  if (r.ask.ticket) {
    if (!r.providers[r.ask.ticket.provider]?.cancel) return over(nothing, { ...unknownTicket })
    const run = call(r, r.ask.ticket)
    const outcome = await passOn(run, r.tell)
    return over(run.bill.settle(), 'end' in outcome ? outcome.end : outcome.t === 'failed' ? outcome.fail : unknownTicket)
  }
  let spent = nothing
  const failures: { candidate: Candidate; fail: Fail }[] = []
  let declined: { held: ModelEvent[]; end: End } | undefined
  let smallest = 0 // the window that was too small, once one was

  for (let round = 0; round < ROUNDS; round++) {
    const queue = round === 0 ? rested(r.candidates, r) : r.candidates.filter((candidate) => mayPass(candidate, failures))
    if (round > 0 && (queue.length === 0 || declined || !(await pause(r.clock, jitter(round, r.random), r.signal)))) break
    const barred = new Set<string>()

    for (let i = 0; i < queue.length; i++) {
      const candidate = queue[i] as Candidate
      if (barred.has(candidate.provider)) continue
      if (smallest && !(windowOf(candidate, r) > smallest)) continue

      for (let tries = 1; ; tries++) {
        if (r.signal.aborted) return over(spent, abortedFail)
        const next = queue.slice(i + 1).find((other) => !barred.has(other.provider))
        const run = await begin(r, candidate, tries === 1 ? next : undefined)
        if (run.lost) spent = together(spent, run.lost.bill.settle())
        const answered = run.winner.candidate
        const outcome = await passOn(run.winner, r.tell)
        spent = together(spent, run.winner.bill.settle())

        if (outcome.t === 'anew') {
          r.log({ event: 'model.anew', ...answered })
          const { beginning: _, ...ask } = r.ask
          r = { ...r, ask }
          tries = 0
          continue
        }
        if (outcome.t === 'done') {
          r.breaker.succeeded(keyOf(answered))
          return over(spent, outcome.end)
        }
        if (outcome.t === 'declined') {
          r.breaker.succeeded(keyOf(answered))
          declined ??= { held: outcome.held, end: outcome.end }
          barred.add(answered.provider)
          break
        }
        const { fail } = outcome
        if (fail.kind === 'abort' || r.signal.aborted) return over(spent, { ...fail, kind: 'abort' })
        r.log({ event: 'model.failed', ...answered, kind: fail.kind, message: fail.message })
        failures.push({ candidate: answered, fail })
        if (fail.kind !== 'context' && fail.kind !== 'badreq' && fail.kind !== 'policy')
          r.breaker.failed(keyOf(answered), fail.retryAfterMs)
        if (fail.partial) return over(spent, fail)
        if (fail.kind === 'context') smallest = Math.max(smallest, windowOf(answered, r) || Number.POSITIVE_INFINITY)
        if (fail.kind === 'auth' || fail.kind === 'badreq' || fail.kind === 'policy') barred.add(answered.provider)
        if (fail.kind !== 'rate' || tries === TRIES) break
        const wait = fail.retryAfterMs ?? jitter(tries - 1, r.random)
        if (wait > (i + 1 < queue.length ? LONGEST_WAIT_WITH_OTHERS : LONGEST_WAIT)) break
        if (!(await pause(r.clock, wait, r.signal))) return over(spent, abortedFail)
      }
    }
  }
  if (r.signal.aborted) return over(spent, abortedFail)
  if (declined) {
    for (const event of declined.held) r.tell(event as RoutedEvent)
    return over(spent, declined.end)
  }
  over(spent, summary(failures, r.ask.tier))
}

const abortedFail: Fail = { t: 'fail', kind: 'abort', message: 'the call was aborted', partial: false }

const unknownTicket: Fail = { t: 'fail', kind: 'badreq', message: 'nobody here can read on what was begun there', partial: false }

type Outcome =
  | { t: 'done'; end: End | Fail }
  | { t: 'declined'; held: ModelEvent[]; end: End }
  | { t: 'failed'; fail: Fail }
  /** It cannot go on with what it was given, and has not said a word. */
  | { t: 'anew' }

/**
 * Whether what comes first behind a beginning shows that nothing will stand behind it: the server refuses such a request, or the model
 * thinks, which it does in front of an answer and not in the midst of one.
 */
const isNoContinuation = (event: ModelEvent): boolean =>
  event.t === 'think' ||
  (event.t === 'fail' && (event.kind === 'badreq' || event.kind === 'context')) ||
  (event.t === 'end' && event.reason !== 'stop')

/** Thoughts pass at once. Calls and citations wait for a word or the end: those of a candidate that dies must never be acted on. */
async function passOn(run: Attempt, tell: Route['tell']): Promise<Outcome> {
  let held: ModelEvent[] = []
  let visible = false
  let outcome: Outcome | undefined
  const tellHeld = () => {
    for (const event of held) tell(event as RoutedEvent)
    held = []
  }
  const hear = (event: ModelEvent): boolean => {
    if (run.continues && !visible && isNoContinuation(event)) outcome = { t: 'anew' }
    if (outcome) return true
    // Whether it is partial is for us to know: a provider that threw cannot tell.
    if (event.t === 'fail') outcome = { t: 'failed', fail: { ...event, partial: visible } }
    else if (event.t === 'end') {
      const refused = event.reason === 'refusal' || event.reason === 'filter'
      outcome = refused && !visible ? { t: 'declined', held, end: event } : { t: 'done', end: event }
      if (outcome.t === 'done') tellHeld()
    } else if (event.t !== 'usage') {
      if (event.t === 'text' && event.d !== '' && !visible) {
        visible = true
        tellHeld()
      }
      if (visible || event.t === 'start' || event.t === 'think') tell(event)
      else held.push(event)
    }
    return outcome !== undefined
  }
  try {
    await run.listen(hear)
  } finally {
    run.drop()
  }
  const silent: Fail = { t: 'fail', kind: 'truncated', message: 'the provider ended without a word', partial: visible }
  return outcome ?? { t: 'failed', fail: silent }
}

async function begin(r: Route, candidate: Candidate, next: Candidate | undefined): Promise<{ winner: Attempt; lost?: Attempt }> {
  const started = r.clock.now()
  const first = call(r, candidate)
  r.hedge.called()
  const after = next && r.breaker.rest(keyOf(next)) === 0 ? r.hedge.after(candidate.model) : undefined
  void first.begun.then((spoke) => (spoke ? r.hedge.firstToken(candidate.model, r.clock.now() - started) : undefined))
  if (after === undefined || !next) return { winner: first }

  const { winner, loser } = await race({
    first,
    second: () => {
      r.hedge.spent()
      r.log({ event: 'model.hedged', ...next })
      return call(r, next)
    },
    after,
    clock: r.clock,
  })
  if (!loser) return { winner }
  // Left out, the slow ones would make the model look faster than it is.
  if (loser === first) r.hedge.firstToken(candidate.model, r.clock.now() - started)
  return { winner, lost: loser }
}

function call(r: Route, candidate: Candidate): Attempt {
  const { tier, maxTokens = outputLimits[tier], ticket, beginning, ...asked } = r.ask
  const provider = r.providers[candidate.provider]
  if (!provider) throw new Error(`there is no provider named ${candidate.provider}`)
  const continues = provider.continues && beginning ? ({ role: 'assistant', text: beginning } as const) : undefined
  const rest = continues ? { ...asked, messages: [...asked.messages, continues], continues: true as const } : asked
  const bill = openBill({ candidate, asked: () => countRequest(rest), now: r.clock.now, prices: r.settings.prices })
  return attempt({
    candidate,
    bill,
    provider,
    request: { ...rest, model: candidate.model, maxTokens, ...(ticket && { ticket: ticket.id }) },
    signal: r.signal,
    opened: (id) => r.opened({ ...candidate, id }),
  })
}

/** The resting ones go last instead of away: when all have failed lately, one of them is still better than nobody. */
const rested = (candidates: Candidate[], { breaker }: Route): Candidate[] => {
  const rest = new Map(candidates.map((candidate) => [candidate, breaker.rest(keyOf(candidate))]))
  return candidates.toSorted((a, b) => (rest.get(a) ?? 0) - (rest.get(b) ?? 0))
}

/** Settings hold one credential for each provider, so provider and model are the whole key. */
const keyOf = ({ provider, model }: Candidate) => `${provider}/${model}`

const windowOf = ({ provider, model }: Candidate, r: Route): number => priceOf(provider, model, r.settings.prices)?.window ?? 0

const mayPass = (candidate: Candidate, failures: { candidate: Candidate; fail: Fail }[]) => {
  const last = failures.findLast((failure) => failure.candidate === candidate)
  return last !== undefined && againSoon.includes(last.fail.kind)
}

/** Full jitter: anything between nothing and 0.5 s · 2ⁿ, at most 8 s. */
const jitter = (n: number, random: () => number) => random() * Math.min(500 * 2 ** n, 8_000)

/** One fault for the machine to act on: one that may pass, if there is one. The message tells of all. */
function summary(failures: { candidate: Candidate; fail: Fail }[], tier: Desk): Fail {
  const telling = failures.find(({ fail }) => passing.includes(fail.kind)) ?? failures.at(-1)
  if (!telling) return { t: 'fail', kind: 'badreq', message: `no model is set for ${tier}`, partial: false }
  const message = failures.map(({ candidate, fail }) => `${keyOf(candidate)}: ${fail.kind} (${fail.message})`).join('; ')
  return { ...telling.fail, message, partial: false }
}
