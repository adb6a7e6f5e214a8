import type { Message } from '../machines/message.ts'
import type { Database, Transaction } from './database.ts'
import { readAsTenant } from './tenant.ts'

export interface Conversation {
  id: string
  owner: string
  channel: string
  title: string | null
  state: string
  attention: 'automated' | 'human'
  seq: number
  cleared: number
}

export interface FoundConversation extends Conversation {
  /** Milliseconds since anything happened in it, by the store's clock. */
  idle: number
}

export interface StoredEvent {
  seq: number
  name: string
  payload: Record<string, unknown>
}

const messageColumns = (sql: Transaction) => sql`id, seq, role, text, parts, turn, agent, citations, at`

/** Absent columns stay absent on the wire. */
const messageOf = (row: Record<string, unknown>): Message =>
  Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null)) as unknown as Message

/** `taken`: another tenant has begun a conversation of this id, so that it cannot be begun again. Nothing else is told of it. */
export async function findConversation({ sql }: Database, tenant: string, id: string): Promise<FoundConversation | 'taken' | undefined> {
  const [row] = await sql<[FoundConversation & { taken: boolean }]>`
    select id, owner, channel, title, state, attention, seq, cleared,
      extract(epoch from clock_timestamp())::float8 * 1000 - last_at as idle, taken
    from find_conversation(${tenant}, ${id})
  `
  const { taken, ...conversation } = row
  return taken ? 'taken' : conversation.id === null ? undefined : conversation
}

export interface Page {
  conversation: Conversation
  /** The newest messages, oldest first. */
  messages: Message[]
  /** The events after `after`, oldest first, at most `most + 1`. */
  events: StoredEvent[]
}

/** Everything that a join needs, from one snapshot. */
export async function readPage(
  { sql }: Database,
  tenant: string,
  id: string,
  { after, most, messages }: { after: number | undefined; most: number; messages: number },
): Promise<Page | undefined> {
  const [row] = await sql<(Conversation & { messages: Record<string, unknown>[] | null; events: StoredEvent[] | null })[]>`
    select id, owner, channel, title, state, attention, seq, cleared, messages, events
    from read_page(${tenant}, ${id}, ${after ?? null}, ${most}, ${messages})
  `
  if (!row) return undefined
  const { messages: recent, events, ...conversation } = row
  return { conversation, messages: (recent ?? []).map(messageOf), events: events ?? [] }
}

/** The last event's number of each, in this order; undefined where nobody has begun it. */
export async function readPositions(
  { sql }: Database,
  places: { tenant: string; conversation: string }[],
): Promise<(number | undefined)[]> {
  const seqs = places.map((): number | undefined => undefined)
  const found = await sql<{ n: number; seq: number }[]>`
    select n, seq from conversation_positions(${places.map(({ tenant }) => tenant)}, ${places.map(({ conversation }) => conversation)})
  `
  for (const { n, seq } of found) seqs[n - 1] = seq
  return seqs
}

/** What was said before the given messages, newest last: the history of a turn. */
export async function readHistory({ sql }: Database, tenant: string, id: string, before: string[], most: number): Promise<Message[]> {
  const rows = await sql<Record<string, unknown>[]>`
    select id, seq, role, text, parts, turn, agent, citations, at from read_history(${tenant}, ${id}, ${before}, ${most})
  `
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
export const readTurnOf = ({ sql }: Database, tenant: string, conversation: string, message: string): Promise<StoredEvent[]> =>
  sql<StoredEvent[]>`select seq, name, payload from read_turn_of(${tenant}, ${conversation}, ${message})`

/** The events after `after` up to `last`, oldest first. */
export const readEventsBetween = (
  db: Database,
  tenant: string,
  conversation: string,
  after: number,
  last: number,
): Promise<StoredEvent[]> =>
  readAsTenant(
    db,
    tenant,
    (sql) =>
      sql<
        StoredEvent[]
      >`select seq, name, payload from events where conversation = ${conversation} and seq > ${after} and seq <= ${last} order by seq`,
  )
