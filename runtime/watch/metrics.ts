/** What Prometheus reads. Never the tenant as a label: there may be very many. */
import type { UsageEntry } from '../../machines/entry.ts'
import { within } from '../../sql/within.ts'
import type { Step } from '../host/tree.ts'
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client'

export interface Metrics {
  registry: Registry
  request(route: string, method: string, status: number, seconds: number): void
  refused(code: string): void
  /** A step that the store refused, because another copy or another owner was first. */
  fenced(outcome: string): void
  /** Figures that a committed step carries: what models cost, what watchers were told. */
  step(step: Pick<Step, 'entries' | 'emits'>): void
  /** Figures that are read when somebody asks. */
  watch(name: string, help: string, read: () => number): void
  /** The same for several figures of one kind, told apart by a label; what cannot be read is left out. */
  watchEach(name: string, help: string, label: string, read: () => Promise<Record<string, number>>): void
}

/** Milliseconds in which a figure that is read must be there. */
const PATIENCE = 1_000

const buckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120]

export function createMetrics(): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 20 })
  const registers = [registry]
  const requests = new Counter({ name: 'http_requests_total', help: 'HTTP requests', labelNames: ['route', 'method', 'status'], registers })
  const durations = new Histogram({
    name: 'http_request_duration_seconds',
    help: 'HTTP requests',
    labelNames: ['route', 'method'],
    buckets,
    registers,
  })
  const calls = new Counter({
    name: 'llm_calls_total',
    help: 'Model calls',
    labelNames: ['agent', 'provider', 'model', 'outcome'],
    registers,
  })
  const tokens = new Counter({
    name: 'llm_tokens_total',
    help: 'Tokens as billed',
    labelNames: ['provider', 'model', 'direction'],
    registers,
  })
  const cost = new Counter({
    name: 'llm_cost_total',
    help: 'US dollars, where a price is known',
    labelNames: ['provider', 'model'],
    registers,
  })
  const unpriced = new Counter({
    name: 'llm_unpriced_calls_total',
    help: 'Model calls whose price is not known',
    labelNames: ['provider', 'model'],
    registers,
  })
  const latency = new Histogram({
    name: 'inference_latency_seconds',
    help: 'Whole model calls',
    labelNames: ['provider', 'model'],
    buckets,
    registers,
  })
  const refusals = new Counter({ name: 'nexus_refusals_total', help: 'Requests declined, by code', labelNames: ['code'], registers })
  const fences = new Counter({
    name: 'nexus_steps_refused_total',
    help: 'Steps that the store refused: fenced by a version, ousted by an epoch',
    labelNames: ['outcome'],
    registers,
  })
  const events = new Counter({ name: 'nexus_events_total', help: 'Durable events told to watchers', labelNames: ['name'], registers })

  function call({ agent, provider, model, usage, cost: price, ms, ok }: UsageEntry) {
    calls.inc({ agent, provider, model, outcome: ok ? 'ok' : 'failed' })
    tokens.inc({ provider, model, direction: 'in' }, usage.in)
    tokens.inc({ provider, model, direction: 'out' }, usage.out)
    if (price === 'unknown') unpriced.inc({ provider, model })
    else cost.inc({ provider, model }, price)
    latency.observe({ provider, model }, ms / 1000)
  }

  return {
    registry,
    request(route, method, status, seconds) {
      requests.inc({ route, method, status })
      durations.observe({ route, method }, seconds)
    },
    step({ entries, emits }) {
      for (const { seq, event } of emits) if (seq !== undefined) events.inc({ name: event.type })
      for (const { type, params } of entries) if (type === 'recordUsage') call(params as UsageEntry)
    },
    refused: (code) => refusals.inc({ code }),
    fenced: (outcome) => fences.inc({ outcome }),
    watchEach(name, help, label, read) {
      new Gauge({
        name,
        help,
        labelNames: [label],
        registers,
        async collect() {
          // Nothing where it fails, or takes so long that the other figures would be waited for in vain.
          const nothing = (): Record<string, number> => ({})
          const found = await within(PATIENCE, read().catch(nothing), nothing)
          this.reset()
          for (const [key, value] of Object.entries(found)) this.set({ [label]: key }, value)
        },
      })
    },
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
