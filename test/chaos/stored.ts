/** What the database has in the end, read from it directly and not through the system. */
import { workLeft } from '../../sql/actors.ts'
import { sweepChunks } from '../../sql/chunks.ts'
import { type Database, openDatabase } from '../../sql/database.ts'
import { asTenant } from '../../sql/tenant.ts'
import { demo } from '../../sql/tenants.ts'
import type { StoredMessage } from '../support/stored.ts'
import type { Payload } from './journal.ts'

export interface StoredEvent {
  conversation: string
  seq: number
  name: string
  payload: Payload
}

/** One call in the books. */
export interface StoredCall {
  conversation: string
  turn: string
  agent: string
  tokens: number
}

export interface Stored {
  /** In the order of their numbers. */
  messages: StoredMessage[]
  events: StoredEvent[]
  calls: StoredCall[]
  /** The last number of each conversation, as its own row tells. */
  conversations: { id: string; seq: number }[]
  /** Rows of work by table; all are empty when everything has ended. */
  left: Record<string, number>
}

export async function readStored(place: { url?: string | undefined; dataDir?: string | undefined }): Promise<Stored> {
  const db = await openDatabase({ ...place, max: 1 })
  try {
    await sweepChunks(db) // the patrol's own look for pieces that a kill left behind, which comes once a minute
    return await read(db)
  } finally {
    await db.close()
  }
}

const read = async (db: Database): Promise<Stored> => ({
  ...(await asTenant(db, demo.id, async (sql) => ({
    messages: await sql<StoredMessage[]>`select conversation, seq, id, role, text, turn from messages order by conversation, seq`,
    events: await sql<StoredEvent[]>`select conversation, seq, name, payload from events order by conversation, seq`,
    calls: await sql<StoredCall[]>`select conversation, turn, agent, tokens_out as tokens from usage`,
    conversations: await sql<{ id: string; seq: number }[]>`select id, seq from conversations`,
  }))),
  left: {
    ...((await workLeft(db)) as unknown as Record<string, number>),
    chunks: await asTenant(db, demo.id, async (sql) => (await sql<{ n: number }[]>`select count(*)::int as n from chunks`)[0]?.n ?? 0),
  },
})
