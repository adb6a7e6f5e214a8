/** The stream log: pieces of all streams of the node go to the store in one insert, beside the bus and never before it. */
import type { Chunk } from '../../sql/chunks.ts'
import type { Log } from '../watch/log.ts'
import type { Clock } from './clock.ts'
import { failpoint } from './failpoint.ts'

/** Milliseconds and pieces after which a batch is written. */
const WAIT = 75
const MOST = 256

export interface ChunkLog {
  add(chunk: Chunk): void
  /** What is not yet written of this turn needs not be any more: its text stands as a message. */
  forget(turn: Pick<Chunk, 'tenant' | 'actor' | 'turn'>): void
  /** A turn whose pieces another process wrote is ours to end. */
  inherit(turn: Pick<Chunk, 'tenant' | 'actor' | 'turn'>): void
  /** Resolves when all that was added so far is kept. */
  settle(): Promise<void>
}

interface Needs {
  clock: Clock
  log: Log
  keep(chunks: Chunk[]): Promise<void>
  /** Pieces of a turn that were written before its end. */
  remove(turn: Pick<Chunk, 'tenant' | 'actor' | 'turn'>): Promise<void>
}

export function createChunkLog({ clock, log, keep, remove }: Needs): ChunkLog {
  let waiting: Chunk[] = []
  let armed = false
  let writing: Promise<void> | undefined
  const written = new Set<string>()
  const keyOf = ({ tenant, actor, turn }: Pick<Chunk, 'tenant' | 'actor' | 'turn'>) => `${tenant}/${actor}/${turn}`

  async function write(): Promise<void> {
    armed = false
    while (writing) await writing
    if (waiting.length === 0) return
    const batch = waiting
    waiting = []
    for (const chunk of batch) written.add(keyOf(chunk))
    writing = keep(batch)
      .then(() => failpoint('chunk.kept'))
      .catch((error) => {
        // A lost piece costs a resume its middle, which is then withdrawn and said anew; it never costs the message.
        log.warn({ err: error, chunks: batch.length }, 'pieces of streams could not be kept')
      })
      .finally(() => {
        writing = undefined
      })
    await writing
  }

  return {
    add(chunk) {
      waiting.push(chunk)
      if (waiting.length >= MOST) void write()
      else if (!armed) {
        armed = true
        clock.after(WAIT, () => void write())
      }
    },
    forget(turn) {
      const key = keyOf(turn)
      waiting = waiting.filter((chunk) => keyOf(chunk) !== key)
      if (!written.delete(key)) return
      void Promise.resolve(writing)
        .then(() => remove(turn))
        .catch((error) => log.warn({ err: error }, 'old pieces of a stream stay behind'))
    },
    inherit: (turn) => void written.add(keyOf(turn)),
    async settle() {
      await write()
      await writing
    },
  }
}
