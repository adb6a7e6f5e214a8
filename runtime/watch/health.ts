/** Whether this node can do its work, part by part. */
import { within } from '../../sql/within.ts'

export interface Component {
  status: 'healthy' | 'degraded' | 'critical' | 'unknown'
  latency_ms?: number
  detail?: string
}

export type Check = () => Promise<Component | undefined>

export interface Health {
  /** Asks every part, each for at most a second. */
  ask(): Promise<{ overall: Component['status']; components: Record<string, Component> }>
}

const PATIENCE = 1_000
const order = ['healthy', 'unknown', 'degraded', 'critical'] as const

export function createHealth(checks: Record<string, Check>): Health {
  return {
    async ask() {
      const asked = await Promise.all(Object.entries(checks).map(async ([name, check]) => [name, await timed(check)] as const))
      const components = Object.fromEntries(asked.flatMap(([name, component]) => (component ? [[name, component]] : [])))
      // An absent optional part is unknown, which is no reason for alarm.
      const worst = Math.max(0, ...Object.values(components).map(({ status }) => (status === 'unknown' ? 0 : order.indexOf(status))))
      return { overall: order[worst] as Component['status'], components }
    },
  }
}

/** Anybody may ask: the kind of a failure, and not the addresses that its words may name. */
const failed = ({ code, name }: Error & { code?: string }): Component => ({ status: 'critical', detail: code ?? name })

async function timed(check: Check): Promise<Component | undefined> {
  const began = performance.now()
  const component = await within<Component | undefined>(PATIENCE, check().catch(failed), () => ({
    status: 'critical',
    detail: `no answer within ${PATIENCE} ms`,
  }))
  return component && { latency_ms: Math.round((performance.now() - began) * 10) / 10, ...component }
}
