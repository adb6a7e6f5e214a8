import type { Database } from './database.ts'
import { readAsTenant } from './tenant.ts'

export interface WorkOrder {
  id: string
  conversation: string
  turn: string
  status: string
  owner: string
  intent: string | null
  difficulty: string | null
  retry_count: number
  last_error: string | null
  created_at: Date
  completed_at: Date | null
}

export async function findOrder(db: Database, tenant: string, conversation: string, turn: string): Promise<string | undefined> {
  const [row] = await readAsTenant(
    db,
    tenant,
    (sql) => sql<{ number: string }[]>`select number from work_orders where conversation = ${conversation} and turn = ${turn}`,
  )
  return row?.number
}

/** The newest work orders first; with `person` of the conversations that are theirs and of no others. */
export const listOrders = (
  db: Database,
  tenant: string,
  { status, owner, person, limit }: { status?: string; owner?: string; person?: string; limit: number },
) =>
  readAsTenant(
    db,
    tenant,
    (sql) => sql<WorkOrder[]>`
      select number as id, conversation, turn, status, owner, intent, difficulty, retries as retry_count, error as last_error,
        created_at, completed_at
      from work_orders
      where (${status ?? null}::text is null or status = ${status ?? null})
        and (${owner ?? null}::text is null or owner = ${owner ?? null})
        and (
          ${person ?? null}::text is null
          or exists (select from conversations c where c.id = work_orders.conversation and c.owner = ${person ?? null})
        )
      order by created_at desc
      limit ${limit}
    `,
  )
