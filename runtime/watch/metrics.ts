/** What Prometheus reads. Never the tenant as a label: there may be very many. */
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client'

export interface Metrics {
  registry: Registry
  request(route: string, method: string, status: number, seconds: number): void
  /** A model call has ended. */
  call(call: { agent: string; provider: string; model: string; seconds: number; firstToken?: number; in: number; out: number; cost: number | 'unknown'; ok: boolean }): void
  refused(code: string): void
  event(name: string): void
  /** Figures that are read when somebody asks. */
  watch(name: string, help: string, read: () => number): void
}

const buckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120]

export function createMetrics(): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 20 })
  const registers = [registry]
  const requests = new Counter({ name: 'http_requests_total', help: 'HTTP requests', labelNames: ['route', 'method', 'status'], registers })
  const durations = new Histogram({ name: 'http_request_duration_seconds', help: 'HTTP requests', labelNames: ['route', 'method'], buckets, registers })
  const calls = new Counter({ name: 'llm_calls_total', help: 'Model calls', labelNames: ['agent', 'provider', 'model', 'outcome'], registers })
  const tokens = new Counter({ name: 'llm_tokens_total', help: 'Tokens as billed', labelNames: ['provider', 'model', 'direction'], registers })
  const cost = new Counter({ name: 'llm_cost_total', help: 'US dollars, where a price is known', labelNames: ['provider', 'model'], registers })
  const unpriced = new Counter({ name: 'llm_unpriced_calls_total', help: 'Model calls whose price is not known', labelNames: ['provider', 'model'], registers })
  const latency = new Histogram({ name: 'inference_latency_seconds', help: 'Whole model calls', labelNames: ['provider', 'model'], buckets, registers })
  const first = new Histogram({ name: 'gen_ai_client_operation_time_to_first_chunk', help: 'Seconds to the first token', labelNames: ['provider', 'model'], buckets, registers })
  const refusals = new Counter({ name: 'nexus_refusals_total', help: 'Requests declined, by code', labelNames: ['code'], registers })
  const events = new Counter({ name: 'nexus_events_total', help: 'Events told to watchers', labelNames: ['name'], registers })

  return {
    registry,
    request(route, method, status, seconds) {
      requests.inc({ route, method, status })
      durations.observe({ route, method }, seconds)
    },
    call({ agent, provider, model, seconds, firstToken, ok, ...spent }) {
      calls.inc({ agent, provider, model, outcome: ok ? 'ok' : 'failed' })
      tokens.inc({ provider, model, direction: 'in' }, spent.in)
      tokens.inc({ provider, model, direction: 'out' }, spent.out)
      if (spent.cost === 'unknown') unpriced.inc({ provider, model })
      else cost.inc({ provider, model }, spent.cost)
      latency.observe({ provider, model }, seconds)
      if (firstToken !== undefined) first.observe({ provider, model }, firstToken)
    },
    refused: (code) => refusals.inc({ code }),
    event: (name) => events.inc({ name }),
    watch(name, help, read) {
      new Gauge({
        name,
        help,
        registers,
        collect() {
          this.set(read())
        },
      })
    },
  }
}
