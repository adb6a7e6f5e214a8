import type { Database } from './database.ts'

interface Place {
  tenant: string
  actor: string
  shard: number
}

/** What became of an event that is to be kept. */
export type Kept = 'kept' | 'waiting' | 'applied' | 'full'

/** Keeps an event for whoever has its actor, unless so many wait for it already. */
export async function keepEnvelope(
  { sql }: Database,
  { tenant, actor, shard }: Place,
  dedup: string,
  kept: object,
  most: number,
): Promise<Kept> {
  const [row] = await sql<[{ outcome: Kept }]>`
    select keep_envelope(${tenant}, ${actor}, ${shard}, ${dedup}, ${sql.json(kept as never)}, ${most}) as outcome
  `
  return row.outcome
}

/** What waits for one actor, in the order in which it came. */
export const waitingFor = ({ sql }: Database, { tenant, actor, shard }: Place, most: number) =>
  sql<{ dedup: string; kept: object }[]>`
    select dedup_key as dedup, envelope as kept from waiting_for(${tenant}, ${actor}, ${shard}, ${most})
  `

/** Undefined: it is not here, because it was never kept, was refused, or was set aside. */
export async function fateOf({ sql }: Database, tenant: string, actor: string, dedup: string): Promise<'waiting' | 'applied' | undefined> {
  const [row] = await sql<[{ fate: 'waiting' | 'applied' | null }]>`select fate_of(${tenant}, ${actor}, ${dedup}) as fate`
  return row.fate ?? undefined
}

/** Where an event is judged, and the epoch under which whoever judges it had the shard. */
export interface Verdict extends Place {
  epoch: number
}

/** The actor does not take it: whoever sent it may send it again under the same key. False: the shard is somebody else's by now. */
export async function dropEnvelope({ sql }: Database, { tenant, actor, shard, epoch }: Verdict, dedup: string): Promise<boolean> {
  const [row] = await sql<[{ dropped: boolean }]>`
    select drop_envelope(${tenant}, ${actor}, ${shard}, ${epoch}, ${dedup}) as dropped
  `
  return row.dropped
}

/** What the event says, without the characters that the store cannot hold: it may be set aside for the very reason that it has some. */
const storable = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value, (_, part) => (typeof part === 'string' ? part.replaceAll('\0', '\uFFFD').toWellFormed() : part)))

/**
 * Sets an event aside for an operator, and takes it out of the way in the same transaction: a timer would ring again for ever. False:
 * the shard is somebody else's by now, who may be able to take it in.
 */
export async function setAside(
  { sql }: Database,
  { tenant, actor, shard, epoch }: Verdict,
  letter: { dedup: string | null; envelope: object; error: string },
): Promise<boolean> {
  const [envelope, error] = storable([letter.envelope, letter.error]) as [object, string]
  const [row] = await sql<[{ aside: boolean }]>`
    select set_aside(${tenant}, ${actor}, ${shard}, ${epoch}, ${letter.dedup}, ${sql.json(envelope as never)}, ${error}) as aside
  `
  return row.aside
}
