/** Local models often write their thoughts into the text, between <think> and </think>, before they answer. */
import type { ModelEvent } from './model.ts'

const OPEN = '<think>'
const CLOSE = '</think>'

/** Only at the very beginning: later on, the word in brackets is something that they talk about. */
export interface Inlined {
  read(d: string): ModelEvent[]
  /** What was kept back in case it became a mark. */
  rest(): ModelEvent[]
}

export function thoughtsApart(): Inlined {
  let place: 'beginning' | 'thinking' | 'after' | 'answer' = 'beginning'
  let kept = ''
  const as = (t: 'text' | 'think', d: string): ModelEvent[] => (d === '' ? [] : [{ t, d }])

  const read = (d: string): ModelEvent[] => {
    if (place === 'answer') return as('text', d)
    kept += d
    if (place === 'beginning') {
      const begun = kept.trimStart()
      if (begun.length < OPEN.length && OPEN.startsWith(begun)) return []
      if (!begun.startsWith(OPEN)) {
        place = 'answer'
        return taken('text')
      }
      place = 'thinking'
      kept = begun.slice(OPEN.length)
    }
    if (place === 'thinking') {
      const end = kept.indexOf(CLOSE)
      if (end < 0) {
        const safe = kept.length - heldBack(kept)
        const thought = kept.slice(0, safe)
        kept = kept.slice(safe)
        return as('think', thought)
      }
      const thought = kept.slice(0, end)
      kept = kept.slice(end + CLOSE.length)
      place = 'after'
      return [...as('think', thought), ...read('')]
    }
    kept = kept.trimStart() // the empty lines between thought and answer
    if (kept === '') return []
    place = 'answer'
    return taken('text')
  }

  const taken = (t: 'text' | 'think'): ModelEvent[] => {
    const d = kept
    kept = ''
    return as(t, d)
  }

  return { read, rest: () => taken(place === 'thinking' ? 'think' : 'text') }
}

/** How much of the end might be the beginning of the closing mark. */
function heldBack(text: string): number {
  for (let n = Math.min(CLOSE.length - 1, text.length); n > 0; n--) if (CLOSE.startsWith(text.slice(-n))) return n
  return 0
}
