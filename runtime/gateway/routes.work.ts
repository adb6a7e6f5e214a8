/** Work orders and what they cost. */
import { listOrders } from '../../sql/orders.ts'
import { sumUsage } from '../../sql/usage.ts'
import type { Database } from '../../sql/database.ts'
import { Refusal } from '../../machines/refusal.ts'
import type { Health } from '../watch/health.ts'
import { type Principal, seesAll } from './auth.ts'
import type { App, Guarded } from './http.ts'
import { promptly } from './promptly.ts'
import { metricsFilter, orderFilter } from './schema.ts'

/** What a whole tenant spends is for those who see all of it. */
function overseer(principal: Principal): Principal {
  if (!seesAll(principal)) throw new Refusal('role.refused')
  return principal
}

export function workRoutes(app: App, { db, guard, health }: { db: Database; guard: Guarded; health: Health }) {
  app.get(
    '/api/work-orders',
    { schema: { querystring: orderFilter, tags: ['work'], summary: 'The newest work orders first' } },
    async (request) => {
      const principal = await guard(request)
      const { status, owner, limit } = request.query
      const wish = { limit, ...(status && { status }), ...(owner && { owner }), ...(!seesAll(principal) && { person: principal.who }) }
      return { work_orders: await promptly(listOrders(db, principal.tenant.id, wish)) }
    },
  )

  app.get(
    '/api/metrics',
    { schema: { querystring: metricsFilter, tags: ['work'], summary: 'Tokens and dollars by agent' } },
    async (request) => {
      const { tenant } = overseer(await guard(request))
      const { period } = request.query
      const agents = await promptly(sumUsage(db, tenant.id, period))
      const total = (key: 'calls' | 'tokens_in' | 'tokens_out' | 'cost_usd' | 'unpriced') =>
        agents.reduce((sum, agent) => sum + agent[key], 0)
      return {
        period,
        calls: total('calls'),
        tokens_in: total('tokens_in'),
        tokens_out: total('tokens_out'),
        total_tokens: total('tokens_in') + total('tokens_out'),
        cost_usd: total('cost_usd'),
        unpriced_calls: total('unpriced'),
        agents,
      }
    },
  )

  app.get('/api/health/detailed', { schema: { tags: ['health'], summary: 'Every part of this node' } }, async (request) => {
    const { tenant } = overseer(await guard(request))
    const [{ overall, components }, agents] = await Promise.all([health.ask(), promptly(sumUsage(db, tenant.id, 'today'))])
    return {
      overall,
      components: Object.entries(components).map(([name, component]) => ({ name, ...component })),
      metrics: {
        tokens_today: agents.reduce((sum, { tokens_in, tokens_out }) => sum + tokens_in + tokens_out, 0),
        cost_today_usd: agents.reduce((sum, { cost_usd }) => sum + cost_usd, 0),
      },
    }
  })
}
