/** Admin without a model: the same message always gets the same verdict, in microseconds and for nothing. */
import type { Difficulty } from '../machines/ladder.ts'
import type { Message } from '../machines/message.ts'
import type { Classification, Intent } from '../machines/slot.ts'
import { isAboutUs, isChinese, isEmptyOfContent, isSmallTalk, questionFor } from './classifying.empty.ts'
import {
  constraintSignals,
  deepSignals,
  explainSignals,
  factSignals,
  hardSignals,
  intentSignals,
  taskSignals,
} from './classifying.signals.ts'

/** What QA looks for unless somebody says more. */
export const qaRequirements: Record<Intent, string> = {
  debug: 'Names the likely cause, gives a concrete fix, and says how to check that it worked.',
  ops: 'Gives steps or commands in the right order, warns of what is risky, and says how to undo it.',
  documentation: 'Is complete and well structured, fits its readers, and describes only what exists.',
  build_feature: 'Gives working code or a concrete design that meets every stated requirement, without placeholders.',
  general_request: 'Answers what was asked, completely and in the language of the question.',
}

const MOST_FILES = 10
/** From so many points on it is the CEO's. */
const COMPLEX = 3
/** One weak word makes no intent. */
const CLEAR = 2
/** Words of the longest message that may still ask for one fact. */
const SHORT = 16

/** Characters: nobody writes so much that says something new about the kind of it. */
const READ = 8_000

export function classifyByRules(whole: string, past: Pick<Message, 'role'>[] = []): Classification {
  const text = whole.length > READ * 1.5 ? `${whole.slice(0, READ)}\n${whole.slice(-READ / 2)}` : whole
  const intent = intentOf(text)
  const found = { intent, relevantFiles: filesIn(text), qaRequirements: qaRequirements[intent], by: 'rules' }
  const difficulty = difficultyOf(text, past)
  return difficulty === 'unclear' ? { ...found, difficulty, question: questionFor(text) } : { ...found, difficulty }
}

function difficultyOf(text: string, past: Pick<Message, 'role'>[] = []): Difficulty {
  if (isSmallTalk(text) || isAboutUs(text)) return 'trivial'
  // After an exchange "fix it" points at what was said.
  if (isEmptyOfContent(text)) return past.some(({ role }) => role === 'assistant' || role === 'operator') ? 'normal' : 'unclear'
  if (pointsOf(text) >= COMPLEX) return 'complex'
  return isFact(text) ? 'trivial' : 'normal'
}

function intentOf(text: string): Intent {
  const weights = new Map<Intent, number>()
  for (const { intent, weight, is } of intentSignals) {
    const times = distinctIn(text, is)
    weights.set(intent, (weights.get(intent) ?? 0) + weight * Math.min(times, 3))
  }
  const [best] = [...weights].sort(([, a], [, b]) => b - a)
  return best && best[1] >= CLEAR ? best[0] : 'general_request'
}

/** Paths that stand in the text, the first ten. */
export function filesIn(text: string): string[] {
  const withoutLinks = text.replace(/\bhttps?:\/\/\S+/g, ' ')
  const found = matches(withoutLinks, paths).filter(
    (path) =>
      !/^(?:node|next|nuxt|vue|react|express|three|d3|ember|backbone|nest|moment|chart|socket|alpine|p5|discord|asp)\.\w+$/i.test(path),
  )
  return [...new Set(found)].slice(0, MOST_FILES)
}

const paths =
  /(?<![\w.@/\\-])(?:[A-Za-z]:[\\/]|~\/|\.{0,2}\/)?(?:[\w.@+-]+[\\/])*[\w.@+-]*[\w@+-]\.(?:tsx?|jsx?|mjs|cjs|mts|py|rb|rs|go|java|kts?|swift|c|h|cc|cpp|hpp|cs|php|sql|sh|ps1|ya?ml|toml|ini|env|conf|cfg|json|jsonl|xml|csv|tsv|html?|s?css|less|vue|svelte|md|mdx|rst|txt|log|pdf|docx?|xlsx?|pptx?|lock|gradle|tf|proto|ipynb|properties|svg|png|jpe?g)\b(?![\w/\\])|(?<![\w.@/\\-])(?:[\w.@+-]+\/)*(?:Dockerfile|Makefile|Jenkinsfile|Procfile|\.gitignore|\.env)\b/g

const matches = (text: string, is: RegExp): string[] => Array.from(text.matchAll(is), ([match]) => match)

const distinctIn = (text: string, is: RegExp): number => new Set(matches(text, is).map((match) => match.toLowerCase())).size

/** English words, and Chinese characters by the 1.7 that make a word. */
const wordsIn = (text: string): number =>
  (text.match(/[\p{Script=Latin}\p{N}'’]+/gu)?.length ?? 0) + (text.match(/\p{Script=Han}/gu)?.length ?? 0) / 1.7

function pointsOf(text: string): number {
  const prose = text.replace(/```[\s\S]*?(?:```|$)/g, ' ')
  const codeLines = text.split('\n').length - prose.split('\n').length
  const words = wordsIn(prose)
  const distinct = (is: RegExp) => distinctIn(prose, is)
  const listed = prose.match(/^[ \t]*(?:[-*•]|\d+[.)、])\s+/gm)?.length ?? 0
  const parts = prose.match(/[,;，；、]|\band\b|以及|和|并/gi)?.length ?? 0
  const questions = prose.match(/[?？]/g)?.length ?? 0
  return (
    Math.min(distinct(deepSignals), 2) * 2.5 +
    Math.min(distinct(hardSignals), 4) * 1.25 +
    Math.min(distinct(constraintSignals), 3) * 0.5 +
    Math.max(0, Math.min(distinct(taskSignals), 5) - 1) * 0.5 +
    (listed >= 3 ? 1.5 : 0) +
    (parts >= 3 ? 1 : 0) +
    (parts >= 6 ? 1 : 0) +
    (questions >= 3 ? 1 : 0) +
    (filesIn(text).length >= 3 ? 1 : 0) +
    (codeLines >= 12 ? 1 : 0) +
    (words > 20 ? 0.75 : 0) +
    (words > 24 ? 0.75 : 0) +
    (words > 35 ? 0.75 : 0) +
    (words > 80 ? 1.25 : 0) +
    (words > 200 ? 2 : 0)
  )
}

function isFact(text: string): boolean {
  const trimmed = text.trim()
  if (/```|\n/.test(trimmed) || wordsIn(trimmed) > SHORT) return false
  if (/^[\d\s+\-*/×÷^().,=?？%]+$/.test(trimmed)) return true
  if (explainSignals.test(trimmed) || intentOf(trimmed) === 'debug') return false
  return factSignals.test(trimmed) || wordsIn(trimmed) <= (isChinese(trimmed) ? 1.5 : 1)
}
