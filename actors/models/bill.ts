/** What one ask costs over all its attempts, also of those that came to nothing: they are billed as well. */
import type { Cost, Usage } from '../../machines/message.ts'
import { CAUTION, count } from './count.ts'
import type { ModelEvent } from './model.ts'
import { add, costOf, type Prices } from './prices.ts'
import type { Candidate } from './tiers.ts'

export interface Bill {
  /** Takes note of an event; what a provider says of itself is cumulative and replaces what it said before. */
  note(event: ModelEvent): void
  /** The attempt is over. One that died without telling is settled by a count of our own, marked `estimated`. */
  settle(): { usage: Usage; cost: Cost }
}

interface Opening {
  candidate: Candidate
  /** Tokens of the request by our own count; a thunk, because it is rarely needed. */
  asked: () => number
  now: () => number
  prices?: Prices | undefined
}

export function openBill({ candidate, asked, now, prices }: Opening): Bill {
  const said: string[] = []
  let told: Usage | undefined
  let accepted = false // a request that was refused at the door costs nothing
  let ended = false
  return {
    note: (event) => {
      if (event.t === 'start') accepted = true
      else if (event.t === 'text' || event.t === 'think') said.push(event.d)
      else if (event.t === 'tool' && event.argsDelta) said.push(event.argsDelta)
      // Some servers tell zeros for "I do not count".
      else if (event.t === 'usage' && event.usage.in + event.usage.out > 0) told = event.usage
      else if (event.t === 'end') ended = true
    },
    settle: () => {
      const usage = settled(told, { said, accepted, ended, asked })
      return { usage, cost: costOf({ ...candidate, usage, at: now(), own: prices }) }
    },
  }
}

interface Seen {
  said: string[]
  accepted: boolean
  ended: boolean
  asked: () => number
}

function settled(told: Usage | undefined, { said, accepted, ended, asked }: Seen): Usage {
  if (told && ended) return told
  if (!accepted) return told ?? { in: 0, out: 0 }
  const out = Math.ceil(count(said.join('')) * CAUTION)
  if (!told) return { in: asked(), out, estimated: true }
  // Anthropic tells the input at the start and the output at the end: what came in between has to be counted.
  return told.out >= out ? told : { ...told, out, estimated: true }
}

export const nothing: { usage: Usage; cost: Cost } = { usage: { in: 0, out: 0 }, cost: 0 }

export function together(a: { usage: Usage; cost: Cost }, b: { usage: Usage; cost: Cost }): { usage: Usage; cost: Cost } {
  const sum = (field: 'cacheRead' | 'cacheWrite' | 'reasoning') => {
    const total = (a.usage[field] ?? 0) + (b.usage[field] ?? 0)
    return total ? { [field]: total } : {}
  }
  return {
    usage: {
      in: a.usage.in + b.usage.in,
      out: a.usage.out + b.usage.out,
      ...sum('cacheRead'),
      ...sum('cacheWrite'),
      ...sum('reasoning'),
      ...(a.usage.estimated || b.usage.estimated ? { estimated: true as const } : {}),
    },
    cost: add(a.cost, b.cost),
  }
}
