/** Admin by OpenAI's Decisions: two choices with probabilities, quicker than a model that writes. */
import { type Difficulty, difficulties } from '../machines/ladder.ts'
import type { Message } from '../machines/message.ts'
import { type Classification, type Intent, intents } from '../machines/slot.ts'
import { qaRequirements } from './classifying.rules.ts'
import type { Decide, Judgement, Question } from './models/decisions.ts'
import { shortened } from './shorten.ts'

const difficultyMeans: Record<Difficulty, string> = {
  trivial: 'greeting, thanks, small talk, or one simple fact',
  normal: 'an ordinary question or task',
  complex: 'several steps, hard reasoning, architecture, or many constraints',
  unclear: 'says nothing to work on, even with the messages before it',
}

const intentMeans: Record<Intent, string> = {
  debug: 'something fails and shall be found and mended',
  ops: 'running systems: deployment, servers, monitoring, backups',
  documentation: 'texts about software or a product for its readers',
  build_feature: 'something new shall be designed or programmed',
  general_request: 'anything else',
}

const questions: Question[] = [
  {
    type: 'choice',
    name: 'difficulty',
    ask: 'How hard is the request to answer well?',
    choices: difficulties.map((value) => ({ value, description: difficultyMeans[value] })),
  },
  {
    type: 'choice',
    name: 'intent',
    ask: 'What is the request about?',
    choices: intents.map((value) => ({ value, description: intentMeans[value] })),
  },
]

interface Material {
  text: string
  past: Message[]
  fallback: Classification
  count(text: string): number
}

/** Undefined when it failed or declined; what it cost is then unknown to us, too. */
export async function classifyByDecisions(
  decide: Decide,
  { text, past, fallback, count }: Material,
  signal: AbortSignal,
): Promise<Classification | undefined> {
  const earlier = past.slice(-2).map(({ role, text }) => `${role}: ${shortened(text, 150, count)}`)
  const decided = await decide(questions, [...earlier, `request: ${shortened(text, 1_500, count)}`].join('\n'), { signal }).catch(
    () => undefined,
  )
  const difficulty =
    decided &&
    likeliest(
      decided.answers.difficulty,
      fallback.difficulty === 'unclear' ? difficulties : difficulties.filter((value) => value !== 'unclear'),
    )
  if (!decided || !difficulty) return undefined
  const intent = likeliest(decided.answers.intent, intents) ?? fallback.intent
  const { question: _, ...rest } = fallback
  return {
    ...rest,
    intent,
    difficulty,
    qaRequirements: qaRequirements[intent],
    // Decisions cannot ask, so it may call unclear only what the rules have a question for.
    ...(difficulty === 'unclear' && { question: fallback.question }),
    by: decided.model,
    usage: decided.usage,
    cost: decided.cost,
  }
}

function likeliest<T extends string>(judgement: Judgement | undefined, allowed: readonly T[]): T | undefined {
  if (judgement?.type !== 'choice') return undefined
  const chosen = allowed.find((value) => value === judgement.choice)
  return (
    chosen ??
    allowed
      .filter((value) => (judgement.probabilities[value] ?? 0) > 0)
      .sort((a, b) => (judgement.probabilities[b] ?? 0) - (judgement.probabilities[a] ?? 0))[0]
  )
}
