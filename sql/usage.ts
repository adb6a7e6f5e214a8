import type { Database } from './database.ts'
import { readAsTenant } from './tenant.ts'

const periods = { today: '1 day', week: '7 days', month: '30 days', all: '100 years' } as const
export type Period = keyof typeof periods
export const periodNames = Object.keys(periods) as [Period, ...Period[]]

/** Tokens and dollars by agent; `unpriced` counts the calls whose price is not known. */
export const sumUsage = (db: Database, tenant: string, period: Period) =>
  readAsTenant(
    db,
    tenant,
    (sql) => sql<
      { agent: string; calls: number; tokens_in: number; tokens_out: number; cost_usd: number; unpriced: number; avg_ms: number }[]
    >`
      select agent, count(*)::int as calls, sum(tokens_in)::int as tokens_in, sum(tokens_out)::int as tokens_out,
        coalesce(sum(cost), 0)::float8 as cost_usd, count(*) filter (where cost is null)::int as unpriced, avg(ms)::float8 as avg_ms
      from usage
      where at >= case when ${period} = 'today' then date_trunc('day', now()) else now() - ${periods[period]}::interval end
      group by agent
      order by agent
    `,
  )
