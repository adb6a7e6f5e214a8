/** Where conversations stand. All who ask in the same moment, or while an answer is on its way, are told by one statement. */
import { readPositions } from '../../sql/conversations.ts'
import type { Database } from '../../sql/database.ts'

/** Rejects when the store does not answer; undefined: nobody has begun it. */
export type Position = (tenant: string, conversation: string) => Promise<number | undefined>

interface Ask {
  tenant: string
  conversation: string
  resolve(seq: number | undefined): void
  reject(error: unknown): void
}

/** Conversations in one statement. */
const MOST = 1_000

export function createPositions(db: Database): Position {
  const waiting: Ask[] = []
  let busy = false

  async function pump() {
    busy = true
    while (waiting.length > 0) {
      const asks = waiting.splice(0, MOST)
      try {
        const seqs = await readPositions(db, asks)
        for (const [at, { resolve }] of asks.entries()) resolve(seqs[at])
      } catch (error) {
        for (const { reject } of asks) reject(error)
      }
    }
    busy = false
  }

  return (tenant, conversation) =>
    new Promise((resolve, reject) => {
      waiting.push({ tenant, conversation, resolve, reject })
      if (waiting.length === 1 && !busy) setImmediate(pump)
    })
}
