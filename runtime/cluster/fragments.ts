/** Puts the batches of one sender together that came in parts. What never becomes whole is given up in favour of what comes later. */
import type { Parcel } from './parcel.ts'

interface Unfinished {
  n: number
  pieces: Map<number, string>
  units: number
}

export interface Fragments {
  /** The whole batch, once its last missing part is there. */
  add(parcel: Parcel): string | undefined
  /** Batches up to this number are of no use any more. */
  forget(n: number): void
  /** UTF-16 units that are held. */
  units(): number
}

export function createFragments(most: number): Fragments {
  const unfinished = new Map<string, Unfinished>()
  let held = 0

  function drop(key: string, one: Unfinished) {
    unfinished.delete(key)
    held -= one.units
  }

  return {
    add({ n, way, part, parts, piece }) {
      const key = `${n}/${way}`
      const one = unfinished.get(key) ?? { n, pieces: new Map(), units: 0 }
      if (one.pieces.has(part)) return undefined
      one.pieces.set(part, piece)
      one.units += piece.length
      held += piece.length
      unfinished.set(key, one)
      if (one.pieces.size === parts) {
        drop(key, one)
        return Array.from({ length: parts }, (_, at) => one.pieces.get(at)).join('')
      }
      for (const [oldest, old] of unfinished) {
        if (held <= most) break
        drop(oldest, old)
      }
      return undefined
    },
    forget(n) {
      if (unfinished.size === 0) return
      for (const [key, one] of unfinished) if (one.n <= n) drop(key, one)
    },
    units: () => held,
  }
}
