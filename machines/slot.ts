/** The places in the charts where work is named and never done. actors/ fills them; an effect runs the filling, perhaps twice. */
import { fromPromise } from 'xstate'
import type { Difficulty, Tier } from './ladder.ts'
import type { Citation, Cost, Usage } from './message.ts'

/** A slot is only a name and two types; running it here would be work inside a machine. */
export const slot = <Out, In>() =>
  fromPromise<Out, In>(() => Promise.reject(new Error('a slot was run by xstate itself; the host runs fillings as effects')))

export const intents = ['debug', 'ops', 'documentation', 'build_feature', 'general_request'] as const
export type Intent = (typeof intents)[number]

export interface ClassifyAsk {
  turn: string
  /** Ids of the messages to be answered; what was said before them is their history. */
  messages: string[]
  text: string
}

/** Admin's verdict. `brief` is the compressed history, at most 900 tokens. */
export interface Classification {
  intent: Intent
  difficulty: Difficulty
  relevantFiles: string[]
  qaRequirements: string
  /** Only with `unclear`: the one question that Admin asks back. */
  question?: string
  brief?: string
  /** Tokens of history that the brief spares each following call. */
  saved?: number
  /** Who decided: 'rules', or the model's name. */
  by: string
  usage?: Usage
  cost?: Cost
}

export interface AnswerAsk {
  turn: string
  attempt: number
  tier: Tier
  messages: string[]
  text: string
  /** The history, compressed by Admin; without it the filling reads the history itself. */
  brief?: string
  /** Why the tier below was not good enough. */
  feedback?: string
  /** From this attempt to the one before all broke off in mid-sentence: a model that can goes on behind their words. */
  resumes?: number
  /** What the tools of the round before gave. */
  rounds: ToolRound[]
}

export interface ToolRound {
  calls: { id: string; name: string; args: unknown }[]
  results: { id: string; name: string; text: string; failed?: boolean }[]
}

export interface Draft {
  text: string
  provider: string
  model: string
  reason: 'stop' | 'length' | 'tool' | 'refusal' | 'filter'
  calls: ToolRound['calls']
  citations: Citation[]
  usage: Usage
  cost: Cost
  ms: number
}

export interface ConsultAsk {
  turn: string
  calls: ToolRound['calls']
}

export interface ValidateAsk {
  turn: string
  question: string
  draft: string
  requirements: string
  citations: Citation[]
  reason: Draft['reason']
}

export interface Verdict {
  pass: boolean
  why?: string
  usage?: Usage
  cost?: Cost
}

export interface SalvageAsk {
  turn: string
  attempt: number
}

/** What had been said aloud when an attempt was cut off, and what is known of its price. */
export interface Salvage {
  text: string
  /** From the stream log and not from the speaker: people may have heard a little more. */
  recalled?: true
  model?: string
  usage?: Usage
  cost?: Cost
}
