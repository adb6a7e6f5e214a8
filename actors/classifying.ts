/** Fills the `classify` slot: Admin sorts, and tells a long history in short. */
import type { Message } from '../machines/message.ts'
import { addCost, addUsage, nothing } from '../machines/spend.ts'
import type { Classification, ClassifyAsk } from '../machines/slot.ts'
import { isSmallTalk } from './classifying.empty.ts'
import { classifyByDecisions } from './classifying.decisions.ts'
import { classifyByModel } from './classifying.model.ts'
import { classifyByRules } from './classifying.rules.ts'
import { compress } from './compressing.ts'
import { type HistoryPolicy, defaultHistory } from './history.ts'
import type { Clock } from './models/clock.ts'
import type { Models } from './models/models.ts'
import type { Filling } from './work.ts'

export interface ClassifyNeeds {
  models: Pick<Models, 'stream' | 'has' | 'count' | 'decide'>
  history(tenant: string, conversation: string, before: string[]): Promise<Message[]>
  policy?: HistoryPolicy | undefined
  clock?: Clock | undefined
}

/** Decisions where it is switched on, else Admin's model where there is one, else the rules, which also stand in for both. */
export const classifying =
  ({ models, history, policy = defaultHistory, clock }: ClassifyNeeds): Filling<ClassifyAsk, Classification> =>
  async ({ text, messages }, { tenant, actor, signal }) => {
    const past = await history(tenant, actor, messages)
    // "Thanks" needs no model to be understood.
    const plain = isSmallTalk(text)
    const [sorted, told] = await Promise.all([
      plain ? classifyByRules(text, past) : sort(text, past, signal, tenant),
      compress({ models, clock, policy }, past, { signal, tenant, plain }),
    ])
    if (!told) return sorted
    const { brief, saved, usage, cost } = told
    return { ...sorted, brief, saved, ...spentOn(sorted, { usage, cost }) }

    async function sort(text: string, past: Message[], signal: AbortSignal, tenant: string): Promise<Classification> {
      const fallback = classifyByRules(text, past)
      if (models.decide) {
        const decided = await classifyByDecisions(models.decide, { text, past, fallback, count: models.count }, signal)
        if (decided) return decided
      }
      if (!models.has('admin')) return fallback
      const { verdict = fallback, ...spent } = await classifyByModel({ models, clock }, text, past, fallback, signal, tenant)
      return { ...verdict, ...spentOn(verdict, spent) }
    }
  }

type Spent = Pick<Classification, 'usage' | 'cost'>

/** Absent while nothing was spent, so that the rules stay free. */
const spentOn = (before: Spent, more: Spent): Spent =>
  more.usage || before.usage ? { usage: addUsage(before.usage ?? nothing, more.usage), cost: addCost(before.cost ?? 0, more.cost) } : {}
