/**
 * The stream log: what all streams of the node said in a quarter of a second goes to the store in a few statements, beside the bus
 * and never before it. What one stream said meanwhile is one row: at a thousand streams rows are the price, and not bytes.
 */
import type { Chunk } from '../../sql/chunks.ts'
import type { Log } from '../watch/log.ts'
import type { Clock } from './clock.ts'
import { failpoint } from './failpoint.ts'

/** Milliseconds for which words are gathered, at least. After a crash they are missing from the log. */
const WAIT = 250
/** Milliseconds for each row of the batch before: two thousand rows a second at most, because the store has commits to do. */
const PER_ROW = 0.5
/** Rows of one statement: commits want their turn at the store between two of them. */
const MOST = 256

type Turn = Pick<Chunk, 'tenant' | 'actor' | 'turn'>
type Attempt = Omit<Chunk, 'start' | 'text' | 'work'>

export interface ChunkLog {
  /** For one attempt: takes its next piece, which begins so many UTF-16 units from its start, and whose words those are. */
  open(attempt: Attempt): (start: number, text: string, work?: string) => void
  /** What is not yet written of this turn needs not be any more: its text stands as a message. */
  forget(turn: Turn): void
  /** A turn whose pieces another process wrote is ours to end. */
  inherit(turn: Turn): void
  /** Another process ends it. */
  disown(turn: Turn): void
  /** Resolves when all that was added so far is kept. */
  settle(): Promise<void>
}

interface Needs {
  clock: Clock
  log: Log
  keep(chunks: Chunk[]): Promise<void>
  /** Pieces of a turn that were written before its end. */
  remove(turn: Turn): Promise<void>
}

/** A row to be, which grows until it is taken to the store. */
interface Piece {
  attempt: Attempt
  work: string | undefined
  start: number
  end: number
  texts: string[]
  isTaken: boolean
}

export function createChunkLog({ clock, log, keep, remove }: Needs): ChunkLog {
  let waiting = new Map<string, Piece[]>()
  let armed = false
  let rows = 0 // of the last batch
  let writing: Promise<void> | undefined
  const written = new Set<string>()
  const keyOf = ({ tenant, actor, turn }: Turn) => `${tenant}/${actor}/${turn}`

  function arm() {
    if (armed) return
    armed = true
    clock.after(Math.max(WAIT, rows * PER_ROW), () => {
      armed = false
      void write()
    })
  }

  /** One batch at a time; what comes meanwhile waits and grows. */
  function write(): Promise<void> {
    writing ??= writeAll().finally(() => {
      writing = undefined
      if (waiting.size > 0) arm()
    })
    return writing
  }

  async function writeAll() {
    const batch = waiting
    waiting = new Map()
    for (const key of batch.keys()) written.add(key)
    const pieces = [...batch.values()].flat()
    rows = pieces.length
    for (const piece of pieces) piece.isTaken = true
    for (let from = 0; from < pieces.length; from += MOST) {
      const chunks = pieces
        .slice(from, from + MOST)
        .map(({ attempt, work, start, texts }) => ({ ...attempt, ...(work && { work }), start, text: texts.join('') }))
      const kept = keep(chunks).then(() => failpoint('chunk.kept'))
      await kept.catch((error) => {
        // A lost piece costs a resume its middle, which is then withdrawn and said anew; it never costs the message.
        log.warn({ err: error, chunks: chunks.length }, 'pieces of streams could not be kept')
      })
    }
  }

  return {
    open(attempt) {
      const key = keyOf(attempt)
      let piece: Piece | undefined
      return (start, text, work) => {
        if (piece && !piece.isTaken && piece.end === start && piece.work === work) {
          piece.texts.push(text)
          piece.end += text.length
          return
        }
        piece = { attempt, work, start, end: start + text.length, texts: [text], isTaken: false }
        const pieces = waiting.get(key)
        if (pieces) pieces.push(piece)
        else waiting.set(key, [piece])
        arm()
      }
    },
    forget(turn) {
      const key = keyOf(turn)
      for (const piece of waiting.get(key) ?? []) piece.isTaken = true
      waiting.delete(key)
      if (!written.delete(key)) return
      void Promise.resolve(writing)
        .then(() => remove(turn))
        .catch((error) => log.warn({ err: error }, 'old pieces of a stream stay behind'))
    },
    inherit: (turn) => void written.add(keyOf(turn)),
    disown: (turn) => void written.delete(keyOf(turn)),
    async settle() {
      while (writing) await writing
      await write()
    },
  }
}
