/** A model on one's own machine, over Ollama's lines of JSON. */
import type { ChatRequest, ChatResponse, Message } from 'ollama'
import { inventedIds } from './arguments.ts'
import { withoutEcho } from './echo.ts'
import { honest } from './honest.ts'
import { thoughtsApart } from './inlined.ts'
import type { Effort, EndReason, ModelEvent, ModelMessage, ModelRequest, Provider } from './model.ts'
import { careful } from './model.ollama.lines.ts'
import { type Fetch, type Wire, wire } from './wire.ts'

export interface OllamaHost {
  baseUrl?: string | undefined
  /** Its models go on where the last message is the assistant's. */
  continues?: boolean | undefined
  /** Replaces the pool of connections, in tests. */
  fetch?: Fetch | undefined
}

export const ollamaModel = (host: OllamaHost = {}): Provider => ({
  name: 'ollama',
  continues: host.continues,
  stream: (request, { signal }) => {
    const call = wire(signal, host.fetch)
    return honest(read(host, request, call), { signal, heard: call.heard })
  },
})

async function* read(host: OllamaHost, request: ModelRequest, call: Wire): AsyncGenerator<ModelEvent> {
  const { Ollama } = await import('ollama')
  // A client for each call: the SDK takes no signal, and its abort() stops every stream of the client.
  const client = new Ollama({ fetch: careful(call.fetch), ...(host.baseUrl ? { host: host.baseUrl } : {}) })
  const lines = await client.chat(bodyOf(request))
  yield { t: 'start', provider: 'ollama', model: request.model, ...(request.continues && { continues: true }) }

  const invent = inventedIds(request.messages)
  const inlined = withoutEcho(request, thoughtsApart())
  let called = false
  for await (const line of lines) {
    const { thinking, content, tool_calls } = line.message ?? {}
    if (thinking) yield { t: 'think', d: thinking }
    if (content) yield* inlined.read(content)
    for (const { function: wanted } of tool_calls ?? []) {
      called = true
      const id = invent()
      yield { t: 'tool', id, name: wanted.name }
      yield { t: 'toolReady', id, name: wanted.name, args: wanted.arguments }
    }
    if (!line.done) continue
    yield* inlined.rest()
    if (line.eval_count !== undefined) yield { t: 'usage', usage: { in: line.prompt_eval_count ?? 0, out: line.eval_count } }
    yield { t: 'end', reason: called ? 'tool' : reasonOf(line), raw: line.done_reason ?? 'done' }
  }
}

const reasonOf = (line: ChatResponse): EndReason => (line.done_reason === 'length' ? 'length' : 'stop')

function bodyOf(request: ModelRequest): ChatRequest & { stream: true } {
  const tools = [...(request.tools ?? [])].sort((a, b) => (a.name < b.name ? -1 : 1))
  const think = thinkOf(request.model, request.effort)
  return {
    model: request.model,
    stream: true,
    messages: [...(request.system ? [{ role: 'system', content: request.system }] : []), ...request.messages.flatMap(messagesOf)],
    options: { num_predict: request.maxTokens },
    ...(tools.length
      ? {
          tools: tools.map((tool) => ({
            type: 'function',
            function: { name: tool.name, description: tool.description, parameters: tool.parameters },
          })),
        }
      : {}),
    ...(think === undefined ? {} : { think }),
    ...(request.json ? { format: request.json.schema } : {}),
  }
}

/** A model that cannot think answers 400 to `think: true`, so thinking is only ever taken away, or graded where grades exist. */
function thinkOf(model: string, effort: Effort | undefined): ChatRequest['think'] {
  if (effort === 'none') return false
  if (effort === undefined || !model.startsWith('gpt-oss')) return undefined
  return effort === 'max' ? 'high' : effort
}

function messagesOf(message: ModelMessage): Message[] {
  if (message.role === 'user') return [{ role: 'user', content: message.text }]
  if (message.role === 'tool') return message.results.map((result) => ({ role: 'tool', tool_name: result.name, content: result.text }))
  const calls = (message.toolCalls ?? []).map((call) => ({
    function: { name: call.name, arguments: (call.args ?? {}) as Record<string, unknown> },
  }))
  return [{ role: 'assistant', content: message.text, ...(calls.length ? { tool_calls: calls } : {}) }]
}
