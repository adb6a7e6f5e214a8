/** The one door to a tenant's data. Role and tenant are set for one transaction and end with it, so that a pooled
 *  connection cannot carry a tenant on. The policies ask `nullif(current_setting('app.tenant', true), '')::uuid`:
 *  where nobody is set, nothing is seen. */
import type postgres from 'postgres'
import type { Database, Transaction } from './database.ts'

type Home = Pick<Database, 'sql'>

/** Does the work as this tenant, in one transaction. Its handle is dead once the work is done: what is asked later fails. */
export async function asTenant<T>({ sql }: Home, tenant: string, work: (sql: Transaction) => Promise<T>): Promise<T> {
  const id = check(tenant)
  const { value } = await sql.begin(async (tx) => {
    // Not one after the other: the work's first query travels with the door's. Both are awaited to their ends, or a
    // door that failed would leave the work behind, still asking.
    const [door, done] = await Promise.allSettled([enter(tx, id), work(tx)])
    if (door.status === 'rejected') throw door.reason
    if (done.status === 'rejected') throw done.reason
    return { value: done.value }
  })
  return value
}

/** A single query as this tenant: the door and the query are one round trip, between those of begin and commit. */
export async function readAsTenant<Rows extends readonly postgres.MaybeRow[]>(
  { sql }: Home,
  tenant: string,
  ask: (sql: Transaction) => postgres.PendingQuery<Rows>,
): Promise<postgres.RowList<Rows>> {
  const id = check(tenant)
  const [, rows] = await sql.begin((tx) => [enter(tx, id), ask(tx)] as [Promise<unknown>, Promise<postgres.RowList<Rows>>])
  return rows as postgres.RowList<Rows>
}

const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i

function check(tenant: string): string {
  if (UUID.test(tenant)) return tenant
  throw new TypeError(`'${tenant}' is not the id of a tenant`)
}

/** Executed at once, so that nothing can be asked before it: PostgreSQL answers in order, and if the door stays shut
 *  the transaction has failed and so does all that follows. */
const enter = (tx: Transaction, tenant: string) =>
  tx`select set_config('role', 'nexus_app', true), set_config('app.tenant', ${tenant}, true)`.execute()
