/**
 * Lets sockets in and out a few at a time. A node that dies sends all of its sockets to the others in the same second, and each of them is
 * about a millisecond, half of it handshake and half what it asks first; a balancer that dies ends all of them, each a quarter of one. Done
 * as they come, thousands of them in one turn of the event loop, nobody else is heard for seconds. Whoever waits costs nothing, and those
 * who are in go on.
 */

/** Milliseconds of one turn of the event loop that they may take; what newcomers ask once they are in comes on top. */
const SLICE = 10

export type Turnstile = (pass: () => void) => void

/** In the order in which they came, each once. `now`: milliseconds of any clock that is never set. */
export function createTurnstile(now: () => number = () => performance.now()): Turnstile {
  const waiting: (() => void)[] = []
  let isTurning = false

  function turn() {
    const until = now() + SLICE
    try {
      while (waiting.length > 0 && now() < until) waiting.shift()?.()
    } finally {
      if (waiting.length > 0) setImmediate(turn)
      else isTurning = false
    }
  }

  return (pass) => {
    waiting.push(pass)
    if (isTurning) return
    isTurning = true
    setImmediate(turn)
  }
}
