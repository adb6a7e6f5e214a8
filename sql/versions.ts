/** Stored trees on their way back to an older machine. */
import type { Database } from './database.ts'

type Home = Pick<Database, 'sql'>

export interface StoredTree {
  tenant: string
  actor: string
  version: number
  tree: unknown
}

export const actorsOfVersion = ({ sql }: Home, kind: string, version: number, most: number) =>
  sql<StoredTree[]>`select tenant_id as tenant, id as actor, version, tree from actors_of_version(${kind}, ${version}, ${most})`

/** Writes them down as of this version, where nobody has moved them and no node runs a newer machine; returns how many. */
export async function putBack({ sql }: Home, kind: string, version: number, trees: StoredTree[]): Promise<number> {
  const [row] = await sql<[{ put: number }]>`select put_back(${kind}, ${version}, ${sql.json(trees as never)}) as put`
  return row.put
}

/** Nodes that know this version and no newer one may have all shards again. */
export async function forgetVersion({ sql }: Home, kind: string, version: number): Promise<void> {
  await sql`select forget_version(${kind}, ${version})`
}
