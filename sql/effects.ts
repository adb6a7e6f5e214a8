import type { Database } from './database.ts'
import { readAsTenant } from './tenant.ts'

export interface Adopted {
  tenant: string
  actor: string
  id: string
  src: string
  attempt: number
}

export interface StoredEffect {
  addr: string
  src: string
  input: unknown
  attempt: number
  /** Who does it. */
  node: string
}

/** Takes over work whose nodes are gone, each row once; those that nobody has entered count as gone. */
export const adoptEffects = ({ sql }: Database, gone: string[], node: string, most = 500) =>
  sql<Adopted[]>`
    select tenant_id as tenant, actor, id, src, attempt from adopt_effects(${gone}, ${node}, ${most})
  `

export async function readEffect(db: Database, tenant: string, actor: string, id: string): Promise<StoredEffect | undefined> {
  const [row] = await readAsTenant(
    db,
    tenant,
    (sql) => sql<StoredEffect[]>`
      select addr, src, input, attempt, claim_node as node from effects where actor = ${actor} and id = ${id}
    `,
  )
  return row
}
