import type { Database } from './database.ts'

export interface Due {
  tenant: string
  actor: string
  id: string
}

export const dueTimers = ({ sql }: Database, until: number, most = 500) =>
  sql<Due[]>`
    select tenant_id as tenant, actor, id from due_timers(to_timestamp(${until / 1000}), ${most})
  `
