/** Any server that speaks OpenAI's chat completions: vLLM, llama.cpp, TGI, LiteLLM, OpenRouter. Each bends the format a little. */
import type OpenAI from 'openai'
import { inventedIds, toolReady } from './arguments.ts'
import { withoutEcho } from './echo.ts'
import { faultOfCode } from './fault.ts'
import { honest } from './honest.ts'
import { thoughtsApart } from './inlined.ts'
import type { EndReason, ModelEvent, ModelMessage, ModelRequest, Provider } from './model.ts'
import { type Fetch, type Wire, wire } from './wire.ts'

type Delta = OpenAI.Chat.Completions.ChatCompletionChunk.Choice.Delta
type Piece = Partial<OpenAI.Chat.Completions.ChatCompletionChunk.Choice.Delta.ToolCall>
type Body = OpenAI.Chat.Completions.ChatCompletionCreateParamsStreaming

/** How a server is told that the last message is a beginning: a mark on it, two of the request, or nothing at all. */
export type ChatContinuation = 'prefix' | 'continue_final_message' | 'assistant'

export interface ChatKey {
  /** A local server often wants none. */
  apiKey?: string | undefined
  baseUrl?: string | undefined
  /** 'openai' when it is their own service that is spoken to in this older way. */
  name?: 'chat' | 'openai'
  /** Without it the server cannot go on with what it is given. */
  continuation?: ChatContinuation | undefined
  /** Replaces the pool of connections, in tests. */
  fetch?: Fetch | undefined
}

export const chatModel = (key: ChatKey): Provider => ({
  name: key.name ?? 'chat',
  continues: key.continuation !== undefined,
  stream: (request, { signal }) => {
    const call = wire(signal, key.fetch)
    return honest(read(key, request, signal, call), { signal, secret: key.apiKey, heard: call.heard })
  },
})

/** What the type does not know and servers send: reasoning under two names, and a finish of their own. */
interface Bent {
  reasoning_content?: string | null
  reasoning?: string | null
}

interface Call {
  index: number
  id: string
  name: string
  parts: string[]
}

async function* read(key: ChatKey, request: ModelRequest, signal: AbortSignal, call: Wire): AsyncGenerator<ModelEvent> {
  const provider = key.name ?? 'chat'
  const { default: SDK } = await import('openai')
  const client = new SDK({ apiKey: key.apiKey || 'none', baseURL: key.baseUrl, maxRetries: 0, logLevel: 'off', fetch: call.fetch })
  const chunks = await client.chat.completions.create(bodyOf(request, provider, key.continuation), { signal })
  const requestId = call.heard.headers?.get('x-request-id')
  yield { t: 'start', provider, model: request.model, ...(requestId ? { requestId } : {}), ...(request.continues && { continues: true }) }

  const invent = inventedIds(request.messages)
  const calls: Call[] = []
  const inlined = withoutEcho(request, thoughtsApart())
  const refusal: string[] = []
  let finished: string | undefined
  for await (const chunk of chunks) {
    if (chunk.usage) yield usageOf(chunk.usage)
    const choice = chunk.choices?.[0]
    if (!choice) continue // the last chunk with the usage, or Azure's first with the filter's verdict
    const delta = (choice.delta ?? {}) as Delta & Bent
    const thought = delta.reasoning_content ?? delta.reasoning
    if (thought) yield { t: 'think', d: thought }
    if (delta.content) yield* inlined.read(delta.content)
    if (delta.refusal) refusal.push(delta.refusal)
    for (const piece of delta.tool_calls ?? []) yield* gather(piece, calls, invent)
    if (choice.finish_reason) finished = choice.finish_reason
  }
  yield* inlined.rest()
  if (finished === undefined) return
  if (finished === 'error') {
    // OpenRouter's word for "the server behind me failed".
    return yield { t: 'fail', ...faultOfCode('server_error', 'the server ended with finish_reason error'), partial: false }
  }
  for (const { id, name, parts } of calls) yield toolReady(id, name, parts.join(''))
  if (refusal.length) return yield { t: 'end', reason: 'refusal', raw: refusal.join('') }
  const reason = reasons[finished] ?? 'stop'
  // Several servers say "stop" though they have just called a tool.
  yield { t: 'end', reason: reason === 'stop' && calls.length ? 'tool' : reason, raw: finished }
}

const reasons: Record<string, EndReason> = {
  stop: 'stop',
  eos: 'stop',
  length: 'length',
  tool_calls: 'tool',
  function_call: 'tool',
  content_filter: 'filter',
}

/** Pieces belong together by index. Some servers send none, and some the same for two calls: then a new id with a name is a new call. */
function* gather(piece: Piece, calls: Call[], invent: () => string): Generator<ModelEvent> {
  const name = piece.function?.name ?? ''
  let call = piece.index === undefined && name ? undefined : calls.findLast(({ index }) => index === (piece.index ?? index))
  if (call && name && piece.id && piece.id !== call.id) call = undefined
  if (!call) {
    call = { index: piece.index ?? calls.length, id: piece.id || invent(), name, parts: [] }
    calls.push(call)
    yield { t: 'tool', id: call.id, name }
  } else call.name ||= name
  const argsDelta = piece.function?.arguments
  if (!argsDelta) return
  call.parts.push(argsDelta)
  yield { t: 'tool', id: call.id, name: call.name, argsDelta }
}

function usageOf(usage: OpenAI.CompletionUsage): ModelEvent {
  const cacheRead = usage.prompt_tokens_details?.cached_tokens
  const reasoning = usage.completion_tokens_details?.reasoning_tokens
  return {
    t: 'usage',
    usage: {
      in: usage.prompt_tokens,
      out: usage.completion_tokens,
      ...(cacheRead ? { cacheRead } : {}),
      ...(reasoning ? { reasoning } : {}),
    },
  }
}

function bodyOf(request: ModelRequest, provider: string, continuation: ChatContinuation | undefined): Body {
  const own = provider === 'openai'
  const messages = [
    ...(request.system ? [{ role: 'system' as const, content: request.system }] : []),
    ...request.messages.flatMap(messagesOf),
  ]
  const tools = [...(request.tools ?? [])].sort((a, b) => (a.name < b.name ? -1 : 1))
  return {
    model: request.model,
    stream: true,
    // include_obfuscation is known to OpenAI only, and some servers refuse what they do not know.
    stream_options: { include_usage: true, ...(own ? { include_obfuscation: false } : {}) },
    ...(own ? { max_completion_tokens: request.maxTokens } : { max_tokens: request.maxTokens }),
    messages: request.continues && continuation === 'prefix' ? marked(messages) : messages,
    ...(tools.length
      ? {
          tools: tools.map((tool) => ({
            type: 'function' as const,
            function: { name: tool.name, description: tool.description, parameters: tool.parameters },
          })),
        }
      : {}),
    ...(request.effort && (own || request.effort !== 'none')
      ? { reasoning_effort: !own && request.effort === 'max' ? 'high' : request.effort }
      : {}),
    ...(request.json
      ? {
          response_format: {
            type: 'json_schema' as const,
            json_schema: { name: request.json.name, schema: request.json.schema, strict: true },
          },
        }
      : {}),
    ...(own && request.cacheKey ? { prompt_cache_key: request.cacheKey } : {}),
    ...(request.continues && continuation === 'continue_final_message'
      ? { continue_final_message: true, add_generation_prompt: false }
      : {}),
  }
}

const marked = (messages: Body['messages']) => messages.map((one, at) => (at === messages.length - 1 ? { ...one, prefix: true } : one))

function messagesOf(message: ModelMessage): OpenAI.Chat.Completions.ChatCompletionMessageParam[] {
  if (message.role === 'user') return [{ role: 'user', content: message.text }]
  if (message.role === 'tool') return message.results.map((result) => ({ role: 'tool', tool_call_id: result.id, content: result.text }))
  const calls = (message.toolCalls ?? []).map((call) => ({
    id: call.id,
    type: 'function' as const,
    function: { name: call.name, arguments: JSON.stringify(call.args ?? {}) },
  }))
  return [{ role: 'assistant', content: message.text || null, ...(calls.length ? { tool_calls: calls } : {}) }]
}
