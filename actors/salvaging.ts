/** Fills the `salvage` slot: what had been said aloud when an attempt was cut off, and what is known of its price. */
import type { Salvage, SalvageAsk } from '../machines/slot.ts'
import type { Filling } from './work.ts'

export interface SalvageNeeds {
  /** On the node where it was said: ends the speech and tells everything, or `isPart` of what people may have heard. */
  cut(place: {
    tenant: string
    actor: string
    turn: string
    attempt: number
  }): Promise<{ text: string; note: Omit<Salvage, 'text'>; isPart?: true } | undefined>
  /** Elsewhere, or after a crash: what the stream log has. */
  logged(place: { tenant: string; actor: string; turn: string; attempt: number }): Promise<string>
  /** Calls back once after so many milliseconds. */
  after(ms: number, ring: () => void): void
}

/** Milliseconds in which a node that spoke has its words in the stream log: it gathers them for a quarter of a second. */
const LOGGED = 500

export const salvaging =
  ({ cut, logged, after }: SalvageNeeds): Filling<SalvageAsk, Salvage> =>
  async ({ turn, attempt }, { tenant, actor }) => {
    if (attempt === 0) return { text: '' }
    const place = { tenant, actor, turn, attempt }
    const here = await cut(place)
    if (here && !here.isPart) return { text: here.text, ...here.note }
    // It may have been said on another node, a moment ago.
    await new Promise<void>((resolve) => after(LOGGED, resolve))
    // The log may be late, or have heard more than we.
    const kept = await logged(place)
    return { text: here && here.text.length > kept.length ? here.text : kept, recalled: true, ...here?.note }
  }
