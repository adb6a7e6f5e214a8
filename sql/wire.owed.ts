/**
 * Counts the answers that a server owes: each round of questions ends in one ReadyForQuery, whatever else is said. Whoever asks only what a
 * statement looks like, with a Flush, is told its columns, that it has none, or what is wrong with it.
 */
const HEAD = 5

/** Hands on the kind of each message of a stream that comes in any pieces. */
function kinds(told: (kind: string) => void): (bytes: Buffer) => void {
  let head = Buffer.alloc(0)
  /** Bytes of the body still to come. */
  let rest = 0
  return (chunk) => {
    const bytes = head.length > 0 ? Buffer.concat([head, chunk]) : chunk
    let at = Math.min(rest, bytes.length)
    rest -= at
    while (bytes.length - at >= HEAD) {
      told(String.fromCharCode(bytes[at] as number))
      const end = at + 1 + bytes.readInt32BE(at + 1)
      rest = Math.max(0, end - bytes.length)
      at = Math.min(end, bytes.length)
    }
    head = Buffer.from(bytes.subarray(at))
  }
}

export interface Owed {
  /** The client says this, behind its start-up message. */
  ask(bytes: Buffer): void
  /** The server says this. */
  hear(bytes: Buffer): void
  /** Milliseconds since the server said anything, or was asked while it owed nothing; 0 while it owes nothing. */
  silence(): number
}

/** From the start-up on, which is answered in the same way. `now`: milliseconds that nobody sets. */
export function createOwed(now: () => number): Owed {
  let answers = 1
  let looks = 0
  let since = now()
  const ask = kinds((kind) => {
    const before = answers + looks
    // Sync, Query and FunctionCall; Flush.
    if (kind === 'S' || kind === 'Q' || kind === 'F') answers++
    else if (kind === 'H') looks++
    else return
    if (before === 0) since = now()
  })
  const hear = kinds((kind) => {
    // The end of a round ends whatever was looked at in it: rather owed too little than somebody given up who owes nothing.
    if (kind === 'Z') [answers, looks] = [Math.max(0, answers - 1), 0]
    else if (kind === 'T' || kind === 'n' || kind === 'E') looks = Math.max(0, looks - 1)
  })
  return {
    ask,
    hear(bytes) {
      since = now()
      hear(bytes)
    },
    silence: () => (answers + looks === 0 ? 0 : now() - since),
  }
}
