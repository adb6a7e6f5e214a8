/** What tokens cost. Exact names only: `claude-sonnet-5` says nothing about `claude-sonnet-5-5`, and unknown is an answer.
 *  prices.json: reduced from BerriAI/litellm's list (MIT, 2026-07-24) and @pydantic/genai-prices 0.1.8 (MIT, about September 2026). */
import type { Cost, Usage } from '../../machines/message.ts'
import known from './prices.json' with { type: 'json' }

/** US dollars per million tokens. */
export interface Rates {
  in: number
  out: number
  cacheRead?: number
  cacheWrite?: number
}

export interface Price extends Rates {
  /** Largest input in tokens. */
  window?: number
  /** For the whole call once its input is larger than `over`. */
  long?: Partial<Rates> & { over: number }
  /** Announced changes, by the day they begin, earliest first. */
  later?: (Rates & { from: string })[]
}

/** Keyed `provider/model`. An operator's own price comes before ours. */
export type Prices = Record<string, Price>

export const listPrices = known as Prices

export const priceOf = (provider: string, model: string, own?: Prices): Price | undefined =>
  own?.[`${provider}/${model}`] ?? listPrices[`${provider}/${model}`]

interface Sale {
  provider: string
  model: string
  usage: Usage
  /** Milliseconds since 1970: prices change by date. */
  at: number
  own?: Prices | undefined
}

/** `usage.in` holds the cached part and `usage.out` the reasoning, whichever way the provider counted. */
export function costOf({ provider, model, usage, at, own }: Sale): Cost {
  if (usage.in === 0 && usage.out === 0) return 0 // whatever the price is
  const price = priceOf(provider, model, own)
  if (!price) return isFree(provider, model) ? 0 : 'unknown'
  const rates = ratesAt(price, usage.in, at)
  const read = usage.cacheRead ?? 0
  const written = usage.cacheWrite ?? 0
  const fresh = Math.max(0, usage.in - read - written)
  return (fresh * rates.in + read * (rates.cacheRead ?? rates.in) + written * (rates.cacheWrite ?? rates.in) + usage.out * rates.out) / 1e6
}

function ratesAt(price: Price, size: number, at: number): Rates {
  const current = price.later?.findLast((change) => at >= Date.parse(change.from)) ?? price
  if (!price.long || size <= price.long.over) return current
  return { ...current, ...price.long }
}

/** One's own electricity is not billed by the token; a model named `-cloud` runs at Ollama's and is. */
const isFree = (provider: string, model: string) => provider === 'offline' || (provider === 'ollama' && !model.endsWith('-cloud'))

/** Two costs together; one unknown makes the sum unknown. */
export const add = (a: Cost, b: Cost): Cost => (a === 'unknown' || b === 'unknown' ? 'unknown' : a + b)
