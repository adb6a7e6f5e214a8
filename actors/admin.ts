/** One short question to Admin's model. It may be slow, absent or confused, and nobody may have to wait for it. */
import type { Cost, Usage } from '../machines/message.ts'
import { nothing } from '../machines/spend.ts'
import { type Clock, systemClock } from './models/clock.ts'
import type { ModelRequest } from './models/model.ts'
import type { Models } from './models/models.ts'

export interface AdminNeeds {
  models: Pick<Models, 'stream' | 'has' | 'count'>
  clock?: Clock | undefined
}

interface AdminAsk {
  system: string
  text: string
  json?: ModelRequest['json']
  maxTokens: number
  cacheKey: string
}

/** Without `text` the model did not get there, and what it cost is still known. */
interface AdminWord {
  text?: string
  model: string
  usage: Usage
  cost: Cost
}

/** Milliseconds; the rules are ready all the while. */
const DEADLINE = 8_000

/** Never throws. */
export async function askAdmin(
  { models, clock = systemClock }: AdminNeeds,
  { text, ...ask }: AdminAsk,
  signal: AbortSignal,
): Promise<AdminWord> {
  const late = new AbortController()
  const takeBack = clock.after(DEADLINE, () => late.abort())
  const word: AdminWord = { model: 'none', usage: nothing, cost: 0 }
  const said: string[] = []
  try {
    const events = models.stream(
      { tier: 'admin', effort: 'none', messages: [{ role: 'user', text }], ...ask },
      { signal: AbortSignal.any([signal, late.signal]) },
    )
    for await (const event of events) {
      if (event.t === 'start') word.model = event.model
      else if (event.t === 'text') said.push(event.d)
      else if (event.t === 'usage') Object.assign(word, { usage: event.usage, cost: event.cost })
      else if (event.t === 'end' && event.reason === 'stop') word.text = said.join('')
    }
  } catch {
    // The same as a `fail`: whoever asked has another way.
  } finally {
    takeBack()
  }
  return word
}
