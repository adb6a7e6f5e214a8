import type { Message } from '../machines/message.ts'
import type { Database, Transaction } from './database.ts'
import { asTenant, readAsTenant } from './tenant.ts'

export interface Conversation {
  id: string
  owner: string
  channel: string
  title: string | null
  state: string
  attention: 'automated' | 'human'
  seq: number
  cleared: number
  lastAt: number
}

export interface StoredEvent {
  seq: number
  name: string
  payload: Record<string, unknown>
}

const columns = (sql: Transaction) => sql`
  id, owner, channel, title, state, attention, seq, cleared_seq as cleared, extract(epoch from last_at)::float8 * 1000 as "lastAt"
`
const messageColumns = (sql: Transaction) => sql`id, seq, role, text, parts, turn, agent, citations, at`

/** Absent columns stay absent on the wire. */
const messageOf = (row: Record<string, unknown>): Message =>
  Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null)) as unknown as Message

export async function findConversation(db: Database, tenant: string, id: string): Promise<Conversation | undefined> {
  const [row] = await readAsTenant(db, tenant, (sql) => sql<Conversation[]>`select ${columns(sql)} from conversations where id = ${id}`)
  return row
}

/** Conversation ids are unique across tenants: what another tenant began cannot be begun again. Tells nothing but yes or no. */
export async function isTakenElsewhere({ sql }: Database, tenant: string, id: string): Promise<boolean> {
  const [row] = await sql<[{ taken: boolean }]>`select is_taken_elsewhere(${tenant}, ${id}) as taken`
  return row.taken
}

export interface Page {
  conversation: Conversation
  /** The newest messages, oldest first. */
  messages: Message[]
  /** The events after `after`, oldest first, at most `most + 1`. */
  events: StoredEvent[]
}

/** Everything that a join needs, from one snapshot. */
export const readPage = (
  db: Database,
  tenant: string,
  id: string,
  { after, most, messages }: { after: number | undefined; most: number; messages: number },
): Promise<Page | undefined> =>
  asTenant(db, tenant, async (sql) => {
    const [[conversation], recent, events] = await Promise.all([
      sql<Conversation[]>`select ${columns(sql)} from conversations where id = ${id}`,
      sql<Record<string, unknown>[]>`
        select ${messageColumns(sql)} from messages where conversation = ${id} order by seq desc limit ${messages}
      `,
      after === undefined
        ? []
        : sql<StoredEvent[]>`
            select seq, name, payload from events where conversation = ${id} and seq > ${after} order by seq limit ${most + 1}
          `,
    ])
    if (!conversation) return undefined
    // A step may have been committed between the queries; what is newer than the conversation's row is told live.
    const upTo = conversation.seq
    return {
      conversation,
      messages: recent
        .map(messageOf)
        .filter(({ seq }) => seq <= upTo)
        .reverse(),
      events: events.filter(({ seq }) => seq <= upTo),
    }
  })

/** What was said before the given messages, newest last: the history of a turn. */
export async function readHistory(db: Database, tenant: string, id: string, before: string[], most: number): Promise<Message[]> {
  const rows = await readAsTenant(
    db,
    tenant,
    (sql) => sql<Record<string, unknown>[]>`
      select ${messageColumns(sql)} from messages
      where conversation = ${id}
        and seq < (select coalesce(min(m.seq), 9223372036854775807) from messages m where m.conversation = ${id} and m.id = any(${before}))
        and seq > coalesce((select cleared_seq from conversations where id = ${id}), 0)
      order by seq desc
      limit ${most}
    `,
  )
  return rows.map(messageOf).reverse()
}

export async function findMessage(db: Database, tenant: string, conversation: string, id: string): Promise<Message | undefined> {
  const [row] = await readAsTenant(
    db,
    tenant,
    (sql) =>
      sql<Record<string, unknown>[]>`select ${messageColumns(sql)} from messages where conversation = ${conversation} and id = ${id}`,
  )
  return row && messageOf(row)
}

/** The events of the turn that answers a message, from its start on; empty while none has begun. */
export const readTurnOf = (db: Database, tenant: string, conversation: string, message: string): Promise<StoredEvent[]> =>
  readAsTenant(
    db,
    tenant,
    (sql) => sql<StoredEvent[]>`
      with begun as (
        select payload ->> 'turn' as turn, seq from events
        where conversation = ${conversation} and name in ('turn.started', 'turn.widened') and payload -> 'messages' ? ${message}
        order by seq limit 1
      )
      select e.seq, e.name, e.payload from events e, begun
      where e.conversation = ${conversation} and e.seq >= begun.seq and e.payload ->> 'turn' = begun.turn
      order by e.seq
    `,
  )

export const readEventsAfter = (db: Database, tenant: string, conversation: string, after: number): Promise<StoredEvent[]> =>
  readAsTenant(
    db,
    tenant,
    (sql) => sql<StoredEvent[]>`select seq, name, payload from events where conversation = ${conversation} and seq > ${after} order by seq`,
  )
