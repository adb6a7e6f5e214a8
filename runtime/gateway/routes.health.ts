/** Whether we live, whether we can work, what we count, and what can be asked of us. */
import type { Health } from '../watch/health.ts'
import type { Metrics } from '../watch/metrics.ts'
import type { App } from './http.ts'

interface Needs {
  health: Health
  metrics: Metrics
  version: string
  isDraining(): boolean
  about(): object
}

export function healthRoutes(app: App, { health, metrics, version, isDraining, about }: Needs) {
  const live = async () => ({ status: 'ok', version, timestamp: new Date().toISOString() })
  for (const path of ['/health', '/v1/health', '/health/live'])
    app.get(path, { schema: { tags: ['health'], summary: 'The process lives', security: [] } }, live)

  for (const path of ['/ready', '/health/ready'])
    app.get(path, { schema: { tags: ['health'], summary: 'Every part that an answer needs is there', security: [] } }, async (_, reply) => {
      const { overall, components } = await health.ask()
      const ready = overall !== 'critical' && !isDraining()
      if (!ready) reply.header('retry-after', '1')
      return reply.code(ready ? 200 : 503).send({ status: ready ? 'ready' : isDraining() ? 'draining' : 'unready', components })
    })

  app.get('/metrics', { schema: { hide: true } }, async (_, reply) =>
    reply.type(metrics.registry.contentType).send(await metrics.registry.metrics()),
  )
  app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger())
  app.get('/v1/models', { schema: { tags: ['chat'], summary: 'Who would answer, and with which model', security: [] } }, async () =>
    about(),
  )
}
