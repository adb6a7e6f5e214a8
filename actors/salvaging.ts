/** Fills the `salvage` slot: what had been said aloud when an attempt was cut off, and what is known of its price. */
import type { Salvage, SalvageAsk } from '../machines/slot.ts'
import type { Filling } from './work.ts'

export interface SalvageNeeds {
  /** On the node where it was said: ends the speech and tells everything. */
  cut(place: {
    tenant: string
    actor: string
    turn: string
    attempt: number
  }): Promise<{ text: string; note: Omit<Salvage, 'text'> } | undefined>
  /** Elsewhere, or after a crash: what the stream log has. */
  logged(place: { tenant: string; actor: string; turn: string; attempt: number }): Promise<string>
}

export const salvaging =
  ({ cut, logged }: SalvageNeeds): Filling<SalvageAsk, Salvage> =>
  async ({ turn, attempt }, { tenant, actor }) => {
    if (attempt === 0) return { text: '' }
    const place = { tenant, actor, turn, attempt }
    const here = await cut(place)
    return here ? { text: here.text, ...here.note } : { text: await logged(place), recalled: true }
  }
