import type { Database } from './database.ts'
import type { EffectPlace } from './effects.ts'

/** What nobody else would look after. */
export interface Lookout {
  /** Actors for whom something waits. */
  waiting: { tenant: string; actor: string }[]
  /** Work of lives that are over is there, or was given back. */
  isLeft: boolean
  /** Work under the name of the life that looks, but for what has its end waiting already. */
  claimed: EffectPlace[]
}

interface Look {
  /** The shards that are looked at; null: every one. */
  held: number[] | null
  /** Whose work is asked for; undefined: nobody's. */
  life?: string
  /** Of actors for whom something waits. */
  most: number
  /** Actors that need not be found, whatever waits for them. */
  known: { tenant: string; actor: string }[]
}

export async function lookAfter({ sql }: Database, { held, life, most, known }: Look): Promise<Lookout> {
  const rows = await sql<({ what: 'waiting' | 'left' | 'claimed' } & EffectPlace)[]>`
    select what, tenant_id as tenant, actor, id
    from look_after(${held}, ${life ?? null}, ${most}, ${known.map(({ tenant }) => tenant)}::uuid[], ${known.map(({ actor }) => actor)}::text[])
  `
  const found = (wanted: string) => rows.filter(({ what }) => what === wanted)
  return {
    waiting: found('waiting').map(({ tenant, actor }) => ({ tenant, actor })),
    isLeft: found('left').length > 0,
    claimed: found('claimed').map(({ tenant, actor, id }) => ({ tenant, actor, id })),
  }
}
