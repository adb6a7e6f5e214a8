/**
 * GPT, over the raw events of the Responses API. Without state on their side, unless answers are written in the background: then a line
 * that breaks is taken up again where it broke, by whoever has the ticket, and nothing is bought twice.
 */
import type OpenAI from 'openai'
import { toolReady } from './arguments.ts'
import { pause, systemClock } from './clock.ts'
import { faultOfCode } from './fault.ts'
import { honest } from './honest.ts'
import type { ModelEvent, ModelMessage, ModelRequest, Provider } from './model.ts'
import { type Fetch, type Wire, wire } from './wire.ts'

type Responses = typeof OpenAI.Responses.prototype
type Event = OpenAI.Responses.ResponseStreamEvent
type Body = Parameters<Responses['create']>[0] & { stream: true }
type Input = Exclude<OpenAI.Responses.ResponseInput, string>[number]

export interface OpenAiKey {
  apiKey: string
  baseUrl?: string | undefined
  /** Answers are written in the background: they are kept there for a while, and go on when nobody listens. */
  background?: boolean | undefined
  /** Replaces the pool of connections, in tests. */
  fetch?: Fetch | undefined
}

/** How often one answer is taken up again after its line broke. */
const AGAIN = 3
/** Milliseconds before that, doubled each time. */
const PAUSE = 50
/** Milliseconds for a cancellation. */
const FAREWELL = 5_000

export const openaiModel = (key: OpenAiKey): Provider => ({
  name: 'openai',
  cancel(ticket) {
    const cancelled = open(key, wire(AbortSignal.timeout(FAREWELL), key.fetch)).then((client) => client.responses.cancel(ticket))
    cancelled.catch(() => {}) // it ends by itself
  },
  stream: (request, { signal }) => {
    const call = wire(signal, key.fetch)
    return honest(read(key, request, signal, call), { signal, secret: key.apiKey, heard: call.heard })
  },
})

async function* read(key: OpenAiKey, request: ModelRequest, signal: AbortSignal, call: Wire): AsyncGenerator<ModelEvent> {
  const { responses } = await open(key, call)
  let { ticket } = request
  const background = key.background === true || ticket !== undefined
  let events = (await (ticket
    ? responses.retrieve(ticket, { stream: true }, { signal })
    : responses.create(bodyOf(request, background), { signal }))) as AsyncIterable<Event>
  const requestId = call.heard.headers?.get('x-request-id')
  const start = { t: 'start' as const, provider: 'openai', model: request.model, ...(requestId ? { requestId } : {}) }
  if (!background) yield start

  const calls = new Map<number, { id: string; name: string }>()
  const items: unknown[] = []
  const refusal: string[] = []
  let called = false
  let last: ModelEvent | undefined
  let number = 0
  /** Takes the line up where it broke, as often as that is of use. */
  async function* unbroken() {
    for (let tries = 0; ; tries++) {
      try {
        if (tries > 0 && ticket) events = await responses.retrieve(ticket, { stream: true, starting_after: number }, { signal })
        yield* events
        if (last || !ticket || tries === AGAIN) return
      } catch (error) {
        if (!ticket || tries === AGAIN || signal.aborted || isSaid(error)) throw error
      }
      if (!(await pause(systemClock, PAUSE * 2 ** tries, signal))) return
    }
  }
  for await (const event of background ? unbroken() : events) {
    number = event.sequence_number
    if (event.type === 'response.created' && background) {
      ticket = event.response.id
      yield { ...start, ticket }
    } else if (event.type === 'response.output_text.delta') {
      yield { t: 'text', d: event.delta }
    } else if (event.type === 'response.reasoning_summary_text.delta' || event.type === 'response.reasoning_text.delta') {
      yield { t: 'think', d: event.delta }
    } else if (event.type === 'response.refusal.delta') {
      refusal.push(event.delta)
    } else if (event.type === 'response.output_item.added') {
      if (event.item.type !== 'function_call') continue
      calls.set(event.output_index, { id: event.item.call_id, name: event.item.name })
      yield { t: 'tool', id: event.item.call_id, name: event.item.name }
    } else if (event.type === 'response.function_call_arguments.delta') {
      const call = calls.get(event.output_index)
      if (call) yield { t: 'tool', ...call, argsDelta: event.delta }
    } else if (event.type === 'response.output_item.done') {
      items[event.output_index] = event.item
      if (event.item.type !== 'function_call') continue
      called = true
      yield toolReady(event.item.call_id, event.item.name, event.item.arguments)
    } else if (event.type === 'response.output_text.annotation.added') {
      const cite = citeOf(event.annotation)
      if (cite) yield cite
    } else if (event.type === 'response.completed' || event.type === 'response.incomplete') {
      if (event.response.usage) yield usageOf(event.response.usage)
      last = endOf(event.response, { called, refusal: refusal.join(''), items })
    } else if (event.type === 'response.failed') {
      // The only failure that the SDK does not throw.
      const { error, usage } = event.response
      if (usage) yield usageOf(usage)
      last = { t: 'fail', ...faultOfCode(error?.code, error?.message ?? 'the response failed'), partial: false }
    }
  }
  if (last) yield last
}

async function open(key: OpenAiKey, { fetch }: Wire): Promise<OpenAI> {
  const { default: SDK } = await import('openai')
  return new SDK({ apiKey: key.apiKey, baseURL: key.baseUrl, maxRetries: 0, logLevel: 'off', fetch })
}

/** Whether the service itself says that it failed, and not the line to it. */
const isSaid = (error: unknown) => {
  const { status, error: said } = error as { status?: number; error?: unknown }
  return status !== undefined || said !== undefined
}

interface Seen {
  called: boolean
  refusal: string
  items: unknown[]
}

function endOf(response: OpenAI.Responses.Response, { called, refusal, items }: Seen): ModelEvent {
  const kept = items.filter((item) => item !== undefined) as { type: string }[]
  const opaque = kept.some((item) => item.type !== 'message') ? { opaque: { provider: 'openai', items: kept } } : {}
  const why = response.incomplete_details?.reason
  if (response.status === 'incomplete' || why) {
    return { t: 'end', reason: why === 'content_filter' ? 'filter' : 'length', raw: why ?? 'incomplete', ...opaque }
  }
  if (refusal) return { t: 'end', reason: 'refusal', raw: refusal }
  return { t: 'end', reason: called ? 'tool' : 'stop', raw: 'completed', ...opaque }
}

function citeOf(annotation: unknown): ModelEvent | undefined {
  // The SDK types this one as unknown.
  const { type, file_id, filename, url, title } = annotation as Record<string, string | undefined>
  if (type === 'file_citation' && file_id) return { t: 'cite', citation: { id: file_id, title: filename ?? file_id } }
  if (type === 'url_citation' && url) return { t: 'cite', citation: { id: url, title: title ?? url, url } }
  return undefined
}

function usageOf(usage: OpenAI.Responses.ResponseUsage): ModelEvent {
  const cacheRead = usage.input_tokens_details?.cached_tokens
  const cacheWrite = usage.input_tokens_details?.cache_write_tokens
  const reasoning = usage.output_tokens_details?.reasoning_tokens
  return {
    t: 'usage',
    usage: {
      in: usage.input_tokens,
      out: usage.output_tokens,
      ...(cacheRead ? { cacheRead } : {}),
      ...(cacheWrite ? { cacheWrite } : {}),
      ...(reasoning ? { reasoning } : {}),
    },
  }
}

function bodyOf(request: ModelRequest, background: boolean): Body {
  const tools = [...(request.tools ?? [])].sort((a, b) => (a.name < b.name ? -1 : 1))
  return {
    model: request.model,
    stream: true,
    ...(background ? { background } : { store: false }),
    max_output_tokens: request.maxTokens,
    ...(request.system ? { instructions: request.system } : {}),
    input: request.messages.flatMap(itemsOf),
    ...(tools.length
      ? {
          tools: tools.map((tool) => ({
            type: 'function' as const,
            name: tool.name,
            description: tool.description,
            parameters: tool.parameters,
            strict: false,
          })),
        }
      : {}),
    ...(request.effort
      ? { reasoning: { effort: request.effort, ...(request.effort === 'none' ? {} : { summary: 'auto' as const }) } }
      : {}),
    // Without state there, the reasoning between two tool rounds must travel with us. Older models refuse the wish.
    ...(reasons(request.model) ? { include: ['reasoning.encrypted_content' as const] } : {}),
    ...(request.json
      ? { text: { format: { type: 'json_schema' as const, name: request.json.name, schema: request.json.schema, strict: true } } }
      : {}),
    ...(request.cacheKey ? { prompt_cache_key: request.cacheKey } : {}),
  }
}

const reasons = (model: string) => /^(gpt-[5-9]|o\d)/.test(model)

function itemsOf(message: ModelMessage): Input[] {
  if (message.role === 'user') return [{ role: 'user', content: message.text }]
  if (message.role === 'tool') {
    return message.results.map((result) => ({ type: 'function_call_output', call_id: result.id, output: result.text }))
  }
  if (message.opaque?.provider === 'openai') return message.opaque.items as Input[]
  const said: Input[] = message.text ? [{ role: 'assistant', content: message.text }] : []
  const calls = (message.toolCalls ?? []).map(
    (call): Input => ({ type: 'function_call', call_id: call.id, name: call.name, arguments: JSON.stringify(call.args ?? {}) }),
  )
  return [...said, ...calls]
}
