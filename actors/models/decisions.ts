/** OpenAI's Decisions: many small questions about one text in one call, answered with probabilities. For Admin, which sorts. */
import type OpenAI from 'openai'
import type { Cost, Usage } from '../../machines/message.ts'
import { type Clock, systemClock } from './clock.ts'
import { faultOf, ModelFault } from './fault.ts'
import { costOf, type Prices } from './prices.ts'
import { type Fetch, wire } from './wire.ts'

export type Question =
  | { type: 'predicate'; name: string; ask: string }
  | { type: 'choice'; name: string; ask: string; choices: { value: string; description?: string }[] }
  | { type: 'score'; name: string; ask: string; levels: { label: string; description?: string }[] }

export type Judgement =
  | { type: 'predicate'; probability: number }
  | { type: 'choice'; choice: string; confidence: number; probabilities: Record<string, number> }
  | { type: 'score'; score: number; confidence: number }
  | { type: 'refusal' }

export interface Decided {
  /** By the question's name. */
  answers: Record<string, Judgement>
  model: string
  usage: Usage
  cost: Cost
}

/** Throws a `ModelFault`: whoever asks has rules of his own to go by. */
export type Decide = (questions: Question[], input: string, context: { signal: AbortSignal }) => Promise<Decided>

export interface DecideNeeds {
  apiKey: string
  baseUrl?: string | undefined
  clock?: Clock | undefined
  prices?: Prices | undefined
  /** A slow classifier is worse than none. */
  deadline?: number
  fetch?: Fetch | undefined
}

const MODEL = 'gpt-6-luna'
const MOST_QUESTIONS = 400

export const createDecide =
  ({ apiKey, baseUrl, clock = systemClock, prices, deadline = 3_000, fetch }: DecideNeeds): Decide =>
  async (questions, input, { signal }) => {
    if (questions.length < 1 || questions.length > MOST_QUESTIONS)
      throw new RangeError(`one call takes 1 to ${MOST_QUESTIONS} questions, not ${questions.length}`)
    const late = new AbortController()
    const takeBack = clock.after(deadline, () => late.abort())
    const call = wire(AbortSignal.any([signal, late.signal]), fetch)
    try {
      const { default: SDK } = await import('openai')
      const client = new SDK({ apiKey, baseURL: baseUrl, maxRetries: 0, logLevel: 'off', fetch: call.fetch })
      const decision = await client.decisions.create({ model: MODEL, input, questions: questions.map(paramOf) })
      const usage = usageOf(decision.usage)
      return {
        answers: Object.fromEntries(questions.map(({ name }, i) => [name, judgementOf(decision.answers[i])])),
        model: decision.model,
        usage,
        // There is no charge for the output here.
        cost: costOf({ provider: 'openai', model: MODEL, usage: { ...usage, out: 0 }, at: clock.now(), own: prices }),
      }
    } catch (error) {
      if (signal.aborted) throw new ModelFault({ kind: 'abort', message: 'the call was aborted' }, error)
      if (late.signal.aborted) throw new ModelFault({ kind: 'stall', message: `no decision within ${deadline} ms` }, error)
      throw new ModelFault(faultOf(error, call.heard.headers), error)
    } finally {
      takeBack()
    }
  }

type Param = OpenAI.DecisionCreateParams['questions'][number]

function paramOf(question: Question): Param {
  const { name, ask: instructions } = question
  if (question.type === 'choice') return { type: 'choice', name, instructions, choices: question.choices }
  if (question.type === 'score') return { type: 'score', name, instructions, levels: question.levels }
  return { type: 'predicate', name, instructions }
}

function judgementOf(answer: OpenAI.Decision['answers'][number] | undefined): Judgement {
  if (answer?.type === 'predicate') return { type: 'predicate', probability: answer.probability }
  if (answer?.type === 'choice') {
    const probabilities = Object.fromEntries(answer.probabilities.map(({ value, probability }) => [String(value), probability]))
    return { type: 'choice', choice: String(answer.choice), confidence: answer.confidence, probabilities }
  }
  if (answer?.type === 'score') return { type: 'score', score: answer.score, confidence: answer.confidence }
  return { type: 'refusal' }
}

const usageOf = (usage: OpenAI.Decision['usage']): Usage => ({
  in: usage.input_tokens,
  out: usage.output_tokens,
  ...(usage.input_tokens_details.cached_tokens ? { cacheRead: usage.input_tokens_details.cached_tokens } : {}),
})
