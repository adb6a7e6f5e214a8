/** Fills the `answer` slot: one draft from the model of the given tier, spoken as it comes. */
import type { Citation, Message } from '../machines/message.ts'
import type { AnswerAsk, Draft } from '../machines/slot.ts'
import { asModelMessages, windowOf } from './history.ts'
import type { ModelMessage, Passage } from './models/model.ts'
import type { Models } from './models/models.ts'
import { systemPrompt } from './prompt.ts'
import type { Filling, Work } from './work.ts'

/** Words on their way out; they never go through a mailbox. */
export interface Speech {
  say(text: string): void
  text(): string
  note(note: { model?: string; usage?: Draft['usage']; cost?: Draft['cost'] }): void
  end(): void
}

export interface AnswerNeeds {
  models: Pick<Models, 'stream' | 'count'>
  speech(work: Work, turn: string, attempt: number): Speech
  /** Tells watchers which model answers. */
  announce(work: Work, status: { turn: string; agent: AnswerAsk['tier']; status: string; model: string }): void
  history(tenant: string, conversation: string, before: string[]): Promise<Message[]>
  search(tenant: string, text: string): Promise<Passage[]>
  clock(): number
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
  ({ models, speech, announce, history, search, clock }: AnswerNeeds): Filling<AnswerAsk, Draft> =>
  async (ask, work) => {
    const began = clock()
    const voice = speech(work, ask.turn, ask.attempt)
    const draft: Draft = { text: '', provider: 'none', model: 'none', reason: 'stop', calls: [], citations: [], usage: { in: 0, out: 0 }, cost: 'unknown', ms: 0 }
    try {
      const [past, passages] = await Promise.all([history(work.tenant, work.actor, ask.messages), search(work.tenant, ask.text)])
      const cited: Citation[] = []
      const events = models.stream(
        {
          tier: ask.tier,
          system: systemPrompt({ tier: ask.tier, passages, brief: ask.brief, feedback: ask.feedback }),
          messages: conversationOf(ask, past, models.count),
          passages,
          cacheKey: `${work.tenant}:${ask.tier}`,
        },
        { signal: work.signal },
      )
      for await (const event of events) {
        if (event.t === 'text') voice.say(event.d)
        else if (event.t === 'start') {
          Object.assign(draft, { provider: event.provider, model: event.model })
          voice.note({ model: event.model })
          announce(work, { turn: ask.turn, agent: ask.tier, status: 'writing', model: event.model })
        } else if (event.t === 'cite') cited.push(event.citation)
        else if (event.t === 'toolReady') draft.calls.push({ id: event.id, name: event.name, args: event.args })
        else if (event.t === 'usage') {
          Object.assign(draft, { usage: event.usage, cost: event.cost })
          voice.note({ usage: event.usage, cost: event.cost })
        } else if (event.t === 'fail') throw new ModelFault(event.kind, event.message)
        else if (event.t === 'end') draft.reason = event.reason === 'pause' ? 'stop' : event.reason
      }
      draft.text = voice.text()
      draft.citations = cited.length > 0 ? cited : quotedIn(draft.text, passages)
      draft.ms = clock() - began
      return draft
    } finally {
      voice.end()
    }
  }

/** With Admin's brief only the last exchange is repeated word for word; without it, what fits the window. */
function conversationOf({ text, brief, rounds }: AnswerAsk, past: Message[], count: (text: string) => number): ModelMessage[] {
  const before = brief ? past.slice(-2) : windowOf(past, count)
  const told = asModelMessages([...before, { role: 'user', text }])
  if (told[0]?.role === 'assistant') told.shift()
  for (const { calls, results } of rounds) told.push({ role: 'assistant', text: '', toolCalls: calls }, { role: 'tool', results })
  return told
}

/** The passages that an answer names by their number. */
const quotedIn = (text: string, passages: Passage[]): Citation[] =>
  passages.flatMap(({ text: _, ...citation }, at) => (text.includes(`[${at + 1}]`) ? [citation] : []))
