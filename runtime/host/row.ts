/** A step as the store takes it. */
import type { KindName } from '../../machines/index.ts'
import type { OrderEntry, UsageEntry } from '../../machines/entry.ts'
import type { StepRow } from '../../sql/steps.ts'
import type { Emit, Entry, Envelope, Step } from './tree.ts'

/** What is known of an actor when it is born. */
export interface Birth {
  kind: KindName
  owner: string
  channel: string
  bot?: string
  /** The root machine's input. */
  input: unknown
}

interface Stepped {
  tenant: string
  actor: string
  kind: string
  shard: number
  version: number
  epoch: number
  machine: number
  dedup: string | null
  pending: boolean
  envelope: Envelope
  now: number
  step: Step
  birth: Birth | undefined
}

export function rowOf({ step, birth, envelope, ...about }: Stepped): StepRow {
  return {
    ...about,
    tree: step.tree,
    // With its birth, so that the journal alone can be folded from the beginning.
    envelope: birth ? { ...envelope, birth: birth.input } : envelope,
    done: 'call' in envelope && !('event' in envelope) ? envelope.call : null,
    calls: step.calls,
    cancels: step.cancels,
    timers: step.timers.map(({ id, at }) => ({ id, at: Math.round(at) })),
    // A timer that rang has rung, also where the tree no longer knew it.
    disarms: 'timer' in envelope ? [...step.disarms, envelope.timer] : step.disarms,
    emits: step.emits.flatMap(durable),
    usage: step.entries.flatMap(usageRow),
    orders: orderRows(step.entries),
    about: aboutOf(step, birth),
  }
}

/** An emitted event as watchers and the store know it: the numbered message inside carries the same number. */
export function payloadOf({ seq, event }: Emit, conversation: string): { name: string; payload: Record<string, unknown> } {
  const { type: name, ...rest } = event
  if (seq === undefined) return { name, payload: { conversation, ...rest } }
  const message = rest.message
  const numbered = typeof message === 'object' && message !== null ? { message: { ...message, seq } } : {}
  return { name, payload: { conversation, seq, ...rest, ...numbered } }
}

const durable = (emit: Emit) => {
  if (emit.seq === undefined) return []
  const { name, payload } = payloadOf(emit, '')
  const { conversation: _, seq: __, ...kept } = payload
  return [{ seq: emit.seq, name, payload: kept }]
}

const usageRow = ({ type, params }: Entry) => {
  if (type !== 'recordUsage') return []
  const { usage, cost, ...row } = params as UsageEntry
  return [
    {
      ...row,
      ms: Math.round(row.ms),
      tokens_in: usage.in,
      tokens_out: usage.out,
      tokens_cached: usage.cacheRead ?? 0,
      estimated: usage.estimated ?? false,
      cost: cost === 'unknown' ? null : cost,
    },
  ]
}

/** One row a turn: the statement may touch a row once, and the last word counts. */
function orderRows(entries: Entry[]): (OrderEntry & { opens: boolean })[] {
  const rows = new Map<string, OrderEntry & { opens: boolean }>()
  for (const { type, params } of entries) {
    if (type !== 'recordOrder') continue
    const entry = params as OrderEntry
    const before = rows.get(entry.turn)
    rows.set(entry.turn, { ...before, ...entry, opens: before?.opens ?? entry.status === 'queued' })
  }
  return [...rows.values()]
}

function aboutOf({ tree, emits }: Step, birth: Birth | undefined): StepRow['about'] {
  const about: StepRow['about'] = { seq: tree.seq }
  if (birth) Object.assign(about, { owner: birth.owner, channel: birth.channel, bot: birth.bot ?? null })
  for (const { seq, event } of emits) {
    if (event.type === 'conversation.state') Object.assign(about, { state: String(event.value), attention: event.attention })
    if (event.type === 'history.cleared' && seq) about.cleared = seq
    if (event.type === 'message.accepted' && !about.title) {
      const { text } = event.message as { text: string }
      about.title = [...text.replace(/\s+/g, ' ').trim()].slice(0, 80).join('')
    }
  }
  return about
}
