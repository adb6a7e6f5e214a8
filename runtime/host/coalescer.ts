/**
 * Joins the deltas of one attempt into frames. The price of streaming is the system call for each frame and not the bytes:
 * eight tokens a frame cost a seventh each. The first delta leaves at once, and so does one that comes after a pause.
 */
import type { Clock } from './clock.ts'
import type { Wheel } from './wheel.ts'

/**
 * Milliseconds that a delta waits for others; a notch of the wheel comes on top, and 30 is what the protocol promises at most. At
 * sixty tokens a second that is two in every frame: counted from the last frame instead, it would often be one.
 */
const WINDOW = 25
/** UTF-16 units and deltas in one frame. */
const UNITS = 4096
const DELTAS = 64

export interface Coalescer {
  add(text: string): void
  /** Sends what waits: before anything that is no delta of this attempt, and at the end. */
  flush(): void
}

export function createCoalescer({
  clock,
  wheel,
  send,
  from = 0,
}: {
  clock: Clock
  wheel: Wheel
  send(offset: number, text: string): void
  /** Where the first delta begins. */
  from?: number
}): Coalescer {
  let pieces: string[] = []
  let units = 0
  let offset = from
  let last = Number.NEGATIVE_INFINITY
  let armed = false
  let half = ''

  function flush() {
    if (units === 0) return
    const text = pieces.join('')
    pieces = []
    units = 0
    last = clock.ticks()
    const start = offset
    offset += text.length
    send(start, text)
  }

  function ring() {
    armed = false
    flush()
  }

  return {
    flush,
    add(delta) {
      // A frame never ends inside a surrogate pair: the half waits for its other half.
      let text = half + delta
      half = ''
      if (endsInHalf(text)) {
        half = text.slice(-1)
        text = text.slice(0, -1)
      }
      if (!text) return
      // Half a pair with no other half cannot be kept; it is one unit long, as its replacement is.
      pieces.push(text.toWellFormed())
      units += text.length
      if (units >= UNITS || pieces.length >= DELTAS) return flush()
      if (armed) return
      if (clock.ticks() - last >= WINDOW) return flush()
      armed = true
      wheel.at(WINDOW, ring)
    },
  }
}

const endsInHalf = (text: string) => {
  const unit = text.charCodeAt(text.length - 1)
  return unit >= 0xd800 && unit <= 0xdbff
}
