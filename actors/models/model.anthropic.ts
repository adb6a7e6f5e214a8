/** Claude, over the raw events of the Messages API. */
import type Anthropic from '@anthropic-ai/sdk'
import { toolReady } from './arguments.ts'
import { honest } from './honest.ts'
import type { Effort, EndReason, ModelEvent, ModelMessage, ModelRequest, Provider } from './model.ts'
import { type Fetch, type Wire, wire } from './wire.ts'

export interface AnthropicKey {
  apiKey: string
  baseUrl?: string | undefined
  /** Replaces the pool of connections, in tests. */
  fetch?: Fetch | undefined
}

export const anthropicModel = (key: AnthropicKey): Provider => ({
  name: 'anthropic',
  stream: (request, { signal }) => {
    const call = wire(signal, key.fetch)
    return honest(read(key, request, signal, call), { signal, secret: key.apiKey, heard: call.heard })
  },
})

/** A content block while it is being put together; the API knows more kinds than we do, and they pass through. */
interface Block {
  type: string
  [field: string]: unknown
}

async function* read(key: AnthropicKey, request: ModelRequest, signal: AbortSignal, call: Wire): AsyncGenerator<ModelEvent> {
  const { default: SDK } = await import('@anthropic-ai/sdk')
  const client = new SDK({ apiKey: key.apiKey, baseURL: key.baseUrl, maxRetries: 0, logLevel: 'off', fetch: call.fetch })
  const events = await client.messages.create(bodyOf(request), { signal })
  const requestId = call.heard.headers?.get('request-id')
  yield { t: 'start', provider: 'anthropic', model: request.model, ...(requestId ? { requestId } : {}) }

  const blocks: Block[] = []
  const inputs = new Map<number, string[]>()
  let usage: Partial<Anthropic.Usage> = {}
  let stopped: string | null = null
  let finished = false
  for await (const event of events) {
    if (event.type === 'message_start') {
      // A broken proxy sends this twice; the same numbers once more do no harm.
      usage = { ...usage, ...event.message.usage }
      if (event.message.usage) yield usageOf(usage)
    } else if (event.type === 'content_block_start') {
      const block = { ...event.content_block } as unknown as Block
      blocks[event.index] = block
      if (block.type === 'tool_use') yield { t: 'tool', id: String(block.id), name: String(block.name) }
      if (block.type === 'text' && block.text) yield { t: 'text', d: String(block.text) }
    } else if (event.type === 'content_block_delta') {
      const block = blocks[event.index]
      if (!block) continue
      const { delta } = event
      if (delta.type === 'text_delta') {
        append(block, 'text', delta.text)
        yield { t: 'text', d: delta.text }
      } else if (delta.type === 'thinking_delta') {
        append(block, 'thinking', delta.thinking)
        yield { t: 'think', d: delta.thinking }
      } else if (delta.type === 'input_json_delta') {
        const parts = inputs.get(event.index)
        if (parts) parts.push(delta.partial_json)
        else inputs.set(event.index, [delta.partial_json])
        if (block.type === 'tool_use' && delta.partial_json) {
          yield { t: 'tool', id: String(block.id), name: String(block.name), argsDelta: delta.partial_json }
        }
      } else if (delta.type === 'citations_delta') {
        block.citations = [...((block.citations as unknown[] | null) ?? []), delta.citation]
        yield citeOf(delta.citation)
      } else {
        // A signature, or a kind younger than this file: its strings belong to the block.
        for (const [field, value] of Object.entries(delta)) if (field !== 'type' && typeof value === 'string') append(block, field, value)
      }
    } else if (event.type === 'content_block_stop') {
      yield* close(blocks[event.index], inputs, event.index)
    } else if (event.type === 'message_delta') {
      stopped = event.delta.stop_reason
      // The counts here are cumulative, but what is absent or null was told at the start.
      for (const [field, value] of Object.entries(event.usage ?? {})) if (value !== null) usage = { ...usage, [field]: value }
      if (event.usage) yield usageOf(usage)
    } else if (event.type === 'message_stop') {
      finished = true
    }
  }
  if (!finished) return
  // A call that ran out of tokens has no content_block_stop.
  for (const index of [...inputs.keys()]) yield* close(blocks[index], inputs, index)
  if (stopped === 'model_context_window_exceeded' && blocks.length === 0) {
    return yield { t: 'fail', kind: 'context', message: 'the conversation is longer than the model can read', partial: false }
  }
  const items = blocks.filter((block) => block && !(block.type === 'text' && block.text === ''))
  const plain = items.every((block) => block.type === 'text')
  yield {
    t: 'end',
    reason: reasons[stopped ?? ''] ?? 'stop',
    raw: stopped ?? '',
    ...(plain ? {} : { opaque: { provider: 'anthropic', items } }),
  }
}

const reasons: Record<string, EndReason> = {
  end_turn: 'stop',
  stop_sequence: 'stop',
  max_tokens: 'length',
  model_context_window_exceeded: 'length',
  tool_use: 'tool',
  pause_turn: 'pause',
  refusal: 'refusal',
}

function* close(block: Block | undefined, inputs: Map<number, string[]>, index: number): Generator<ModelEvent> {
  const text = inputs.get(index)?.join('') ?? ''
  inputs.delete(index)
  // Blocks that their side runs (mcp_tool_use, server_tool_use) are kept whole for replay and are no call of ours.
  if (!block || !/tool_use$/.test(block.type)) return
  const ready = toolReady(String(block.id), String(block.name), text)
  if (ready.t !== 'toolReady') return
  if (text !== '') block.input = ready.broken === undefined ? ready.args : {}
  if (block.type === 'tool_use') yield ready
}

const append = (block: Block, field: string, more: string) => {
  block[field] = `${typeof block[field] === 'string' ? block[field] : ''}${more}`
}

function citeOf(citation: Anthropic.CitationsDelta['citation']): ModelEvent {
  const { cited_text: quote } = citation
  if (citation.type === 'web_search_result_location')
    return { t: 'cite', citation: { id: citation.url, title: citation.title ?? citation.url, url: citation.url, quote } }
  if (citation.type === 'search_result_location')
    return { t: 'cite', citation: { id: citation.source, title: citation.title ?? citation.source, quote } }
  return { t: 'cite', citation: { id: String(citation.document_index), title: citation.document_title ?? '', quote } }
}

/** Their input_tokens leave out what came from the cache; ours hold all. */
function usageOf(usage: Partial<Anthropic.Usage>): ModelEvent {
  const cacheRead = usage.cache_read_input_tokens ?? 0
  const cacheWrite = usage.cache_creation_input_tokens ?? 0
  const reasoning = usage.output_tokens_details?.thinking_tokens
  return {
    t: 'usage',
    usage: {
      in: (usage.input_tokens ?? 0) + cacheRead + cacheWrite,
      out: usage.output_tokens ?? 0,
      ...(cacheRead ? { cacheRead } : {}),
      ...(cacheWrite ? { cacheWrite } : {}),
      ...(reasoning ? { reasoning } : {}),
    },
  }
}

function bodyOf(request: ModelRequest): Anthropic.MessageCreateParamsStreaming {
  const tools = [...(request.tools ?? [])].sort((a, b) => (a.name < b.name ? -1 : 1))
  const thinking = thinkingOf(request.effort)
  const format = request.json && { type: 'json_schema' as const, schema: request.json.schema }
  const effort = request.effort && request.effort !== 'none' ? request.effort : undefined
  return {
    model: request.model,
    max_tokens: request.maxTokens,
    stream: true,
    ...(request.system ? { system: request.system } : {}),
    messages: request.messages.map(messageOf),
    ...(tools.length
      ? {
          tools: tools.map((tool) => ({
            name: tool.name,
            description: tool.description,
            input_schema: { ...tool.parameters, type: 'object' as const },
          })),
        }
      : {}),
    ...(thinking ? { thinking } : {}),
    ...(effort || format ? { output_config: { ...(effort ? { effort } : {}), ...(format ? { format } : {}) } } : {}),
    ...(request.cacheKey ? { cache_control: { type: 'ephemeral' as const } } : {}),
  }
}

const thinkingOf = (effort: Effort | undefined): Anthropic.ThinkingConfigParam | undefined =>
  effort === undefined ? undefined : effort === 'none' ? { type: 'disabled' } : { type: 'adaptive' }

function messageOf(message: ModelMessage): Anthropic.MessageParam {
  if (message.role === 'user') return { role: 'user', content: message.text }
  if (message.role === 'tool') {
    return {
      role: 'user',
      content: message.results.map((result) => ({
        type: 'tool_result' as const,
        tool_use_id: idOf(result.id),
        content: result.text,
        ...(result.failed ? { is_error: true } : {}),
      })),
    }
  }
  if (message.opaque?.provider === 'anthropic') {
    // Our own blocks of an earlier round: thinking and signatures go back unchanged.
    return { role: 'assistant', content: message.opaque.items as Anthropic.ContentBlockParam[] }
  }
  const calls = (message.toolCalls ?? []).map((call) => ({
    type: 'tool_use' as const,
    id: idOf(call.id),
    name: call.name,
    input: call.args ?? {},
  }))
  // An empty text block is refused.
  return { role: 'assistant', content: [...(message.text ? [{ type: 'text' as const, text: message.text }] : []), ...calls] }
}

/** Ids of other providers may hold signs that this one refuses. */
const idOf = (id: string) => id.replace(/[^a-zA-Z0-9_-]/g, '_')
