import type { Database } from './database.ts'
import { readAsTenant } from './tenant.ts'

/** One life of a node, as work and journal name it. */
export interface Doer {
  node: string
  life: string
}

export interface EffectPlace {
  tenant: string
  actor: string
  id: string
}

export interface Adopted extends EffectPlace {
  src: string
  input: unknown
  /** What an earlier try has kept to go on with; null: nothing. */
  kept: unknown
  attempt: number
}

export interface StoredEffect {
  addr: string
  src: string
  input: unknown
  kept: unknown
  attempt: number
  /** The life that does it; null: it was given back. */
  life: string | null
}

/** Takes over work of lives that are over, in shards that are held at these epochs, each piece once. */
export const adoptEffects = ({ sql }: Pick<Database, 'sql'>, held: { shard: number; epoch: number }[], { node, life }: Doer, most = 500) =>
  sql<Adopted[]>`
    select tenant_id as tenant, actor, id, src, input, kept, attempt
    from adopt_effects(${held.map(({ shard }) => shard)}, ${held.map(({ epoch }) => epoch)}, ${node}, ${life}, ${most})
  `

/** Keeps something with the work that this life does, for whoever has to go on with it. */
export async function keepForNext(
  { sql }: Pick<Database, 'sql'>,
  life: string,
  { tenant, actor, id }: EffectPlace,
  what: object | null,
): Promise<void> {
  await sql`select keep_for_next(${tenant}, ${actor}, ${id}, ${life}, ${sql.json(what as never)})`
}

/** Gives work back, all of it without a list; returns how many pieces. */
export async function releaseEffects({ sql }: Pick<Database, 'sql'>, life: string, pieces?: EffectPlace[]): Promise<number> {
  const lists = pieces
    ? [pieces.map(({ tenant }) => tenant), pieces.map(({ actor }) => actor), pieces.map(({ id }) => id)]
    : [null, null, null]
  const [row] = await sql<[{ given: number }]>`
    select release_effects(${life}, ${lists[0] ?? null}::uuid[], ${lists[1] ?? null}::text[], ${lists[2] ?? null}::text[]) as given
  `
  return row.given
}

export async function readEffect(db: Database, tenant: string, actor: string, id: string): Promise<StoredEffect | undefined> {
  const [row] = await readAsTenant(
    db,
    tenant,
    (sql) => sql<StoredEffect[]>`
      select addr, src, input, kept, attempt, claim_life as life from effects where actor = ${actor} and id = ${id}
    `,
  )
  return row
}
