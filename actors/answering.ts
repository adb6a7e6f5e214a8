/** Fills the `answer` slot: one draft from the model of the given tier, spoken as it comes. */
import type { Citation, Message } from '../machines/message.ts'
import type { AnswerAsk, Draft } from '../machines/slot.ts'
import { type HistoryPolicy, asModelMessages, repeated } from './history.ts'
import type { ModelMessage, Passage } from './models/model.ts'
import type { Models, Ticket } from './models/models.ts'
import { systemPrompt } from './prompt.ts'
import { proseOf } from './prose.ts'
import { type Filling, type Work, leaving } from './work.ts'

/** After the first words these say something of the line and nothing of the model: `cut`, and the same tier writes again. */
const broken = new Set(['network', 'overload', 'stall', 'truncated'])

/** UTF-16 units of a broken answer from which on it is worth going on with; whoever repeats so many of them does not do so by chance. */
const WORTH = 40

/** Milliseconds between two looks at whether anything was heard. */
const BEAT = 4_000

/** Words on their way out; they never go through a mailbox. */
export interface Speech {
  say(text: string): void
  text(): string
  note(note: { model?: string; usage?: Draft['usage']; cost?: Draft['cost'] }): void
  end(): void
}

/** Of an answer that somebody else began to speak: what was said, and where its own words begin in that. */
export interface Before {
  text: string
  from: number
}

/** What goes on when we do not. */
interface Begun {
  ticket: Ticket
  /** Where the words begin, behind those of earlier rounds. */
  from: number
}

export interface AnswerNeeds {
  models: Pick<Models, 'stream' | 'count' | 'cancel' | 'continues'>
  /** Speaks on behind what was said before, leaving out what of it is said once more. */
  speech(work: Work, turn: string, attempt: number, before?: Before): Speech
  /** What watchers have heard of this attempt for certain; it may be a little more. */
  said(work: Work, turn: string, attempt: number): Promise<string>
  /** Tells watchers which model answers. */
  announce(work: Work, status: { turn: string; agent: AnswerAsk['tier']; status: string; model?: string }): void
  history(tenant: string, conversation: string, before: string[]): Promise<Message[]>
  search(tenant: string, text: string): Promise<Passage[]>
  clock(): number
  /** Calls back once after so many milliseconds; the answer takes it back. */
  after(ms: number, ring: () => void): () => void
  policy?: HistoryPolicy | undefined
}

/** A call that failed, with the kind by which the chart decides. */
export class ModelFault extends Error {
  override readonly name = 'ModelFault'
  readonly kind: string
  constructor(kind: string, message: string) {
    super(message)
    this.kind = kind
  }
}

/** Aborting ends the speech and throws a fault that nobody waits for; a failed call throws a `ModelFault` that says its kind. */
export const answering =
  ({ models, speech, said, announce, history, search, clock, after, policy }: AnswerNeeds): Filling<AnswerAsk, Draft> =>
  async (ask, work) => {
    const began = clock()
    let begun = work.kept as Begun | undefined
    const before = begun && goneOn(begun, await said(work, ask.turn, ask.attempt), models)
    const voice = speech(work, ask.turn, ask.attempt, before)
    const draft: Draft = {
      text: '',
      provider: 'none',
      model: 'none',
      reason: 'stop',
      calls: [],
      citations: [],
      usage: { in: 0, out: 0 },
      cost: 'unknown',
      ms: 0,
    }
    const silence = watchSilence(after, () => announce(work, { turn: ask.turn, agent: ask.tier, status: 'waiting', ...known(draft) }))
    try {
      const [past, passages, broke] = await Promise.all([
        history(work.tenant, work.actor, ask.messages),
        search(work.tenant, ask.text),
        begun || ask.rounds.length > 0 || !models.continues(ask.tier) ? '' : brokenOff(ask, work, said),
      ])
      const opening = openingOf(isMarked(broke) && passages.length > 0 ? '' : broke, voice)
      const cited: Citation[] = []
      const spoken = voice.text().slice(0, before?.from)
      let hasSpoken = false
      let ended = false
      const opened = (ticket: Ticket) => {
        if (before) return
        begun = { ticket, from: spoken.length }
        work.keep(begun)
      }
      const events = models.stream(
        {
          tier: ask.tier,
          system: systemPrompt({ tier: ask.tier, passages, brief: ask.brief, feedback: ask.feedback }),
          messages: conversationOf(ask, repeated(past, ask.brief, models.count, policy), spoken),
          passages,
          cacheKey: `${work.tenant}:${ask.tier}`,
          ...(begun && { ticket: begun.ticket }),
          ...(opening.text && { beginning: opening.text }),
        },
        { signal: work.signal, opened },
      )
      for await (const event of events) {
        if (event.t === 'text' || event.t === 'start') silence.broken() // of thoughts the watchers hear nothing
        if (event.t === 'text') {
          if (event.d) opening.say()
          // A tool came between these words and those before.
          if (spoken && !hasSpoken && event.d) voice.say('\n\n')
          hasSpoken ||= event.d !== ''
          voice.say(event.d)
        } else if (event.t === 'start') {
          Object.assign(draft, { provider: event.provider, model: event.model })
          opening.isDue = event.continues === true
          // Another one answers in the end: whoever comes next must not go on with the first.
          if (!before && begun && event.ticket !== begun.ticket.id) {
            begun = event.ticket ? { ...begun, ticket: { ...candidateOf(event), id: event.ticket } } : undefined
            work.keep(begun ?? null)
          }
          voice.note({ model: event.model })
          announce(work, { turn: ask.turn, agent: ask.tier, status: 'writing', model: event.model })
        } else if (event.t === 'cite') cited.push(event.citation)
        else if (event.t === 'toolReady') draft.calls.push({ id: event.id, name: event.name, args: event.args })
        else if (event.t === 'usage') {
          Object.assign(draft, { usage: event.usage, cost: event.cost })
          voice.note({ usage: event.usage, cost: event.cost })
        } else if (event.t === 'fail') {
          // Whatever it is, watchers have words that now nobody will go on with.
          if (before) throw new ModelFault('lost', event.message)
          throw new ModelFault(event.partial && broken.has(event.kind) ? 'cut' : event.kind, event.message)
        } else if (event.t === 'end') {
          ended = true
          begun = undefined
          opening.say() // it was the whole
          draft.reason = event.reason === 'pause' ? 'stop' : event.reason
        }
      }
      if (!ended) throw new ModelFault('truncated', 'the stream ended without its terminal marker')
      draft.text = voice.text()
      draft.citations = citationsOf(draft.text, passages, cited)
      draft.ms = clock() - began
      return draft
    } finally {
      if (begun && work.signal.reason !== leaving) models.cancel(begun.ticket)
      silence.over()
      voice.end()
    }
  }

/** Throws where words of earlier rounds are missing: what comes behind them would stand at a wrong place. */
function goneOn({ from, ticket }: Begun, text: string, models: AnswerNeeds['models']): Before {
  if (text.length >= from) return { text, from }
  models.cancel(ticket)
  throw new ModelFault('lost', 'what was said before is not known here')
}

/** The most that was kept of the attempts before which broke off in mid-sentence; nothing where it is not worth going on with. */
async function brokenOff({ turn, attempt, resumes = attempt }: AnswerAsk, work: Work, said: AnswerNeeds['said']): Promise<string> {
  const texts = await Promise.all(Array.from({ length: attempt - resumes }, (_, at) => said(work, turn, resumes + at)))
  const longest = texts.reduce((most, text) => (text.length > most.length ? text : most), '')
  return longest.length < WORTH ? '' : longest
}

/** It names passages by their numbers, which are others by now. */
const isMarked = (text: string) => /\[\d{1,2}\]/.test(text)

/** How an answer began that broke off. It is said with the first word behind it: until then somebody else may answer, anew. */
const openingOf = (text: string, voice: Pick<Speech, 'say'>) => ({
  text,
  /** Whoever answers goes on behind it. */
  isDue: false,
  say() {
    if (this.isDue) voice.say(text)
    this.isDue = false
  },
})

const candidateOf = ({ provider, model }: { provider: string; model: string }) => ({ provider, model }) as Omit<Ticket, 'id'>

/** The model, once one has begun. */
const known = ({ model }: Draft) => (model === 'none' ? {} : { model })

/** Calls `tell` whenever nothing was heard for a while: whoever waits is never without a sign for longer than twice a beat. */
function watchSilence(after: AnswerNeeds['after'], tell: () => void) {
  let isQuiet = false
  const beat = () => {
    if (isQuiet) tell()
    isQuiet = true
    takeBack = after(BEAT, beat)
  }
  let takeBack = after(BEAT, beat)
  return {
    broken: () => {
      isQuiet = false
    },
    over: () => takeBack(),
  }
}

/** The person's own message is never shortened; the gateway limits it. */
function conversationOf({ text, rounds }: AnswerAsk, before: Message[], spoken: string): ModelMessage[] {
  const told = asModelMessages([...before, { role: 'user', text }])
  for (const [at, { calls, results }] of rounds.entries()) {
    told.push({ role: 'assistant', text: at === rounds.length - 1 ? spoken : '', toolCalls: calls }, { role: 'tool', results })
  }
  return told
}

/** In the order of their numbers, because readers find [2] as the second: so up to the last one named, all are kept. */
function citationsOf(text: string, passages: Passage[], cited: Citation[]): Citation[] {
  const distinct = cited.filter(({ id }, at) => cited.findIndex((other) => other.id === id) === at)
  // Who hands passages back as citations has numbered them anew.
  if (distinct.some(({ id }) => passages.some((passage) => passage.id === id))) return distinct
  const marks = Array.from(proseOf(text).matchAll(/\[(\d{1,2})\]/g), ([, mark]) => Number(mark))
  const last = Math.max(0, ...marks.filter((mark) => mark <= passages.length))
  return [...passages.slice(0, last).map(({ text: _, ...citation }) => citation), ...distinct]
}
