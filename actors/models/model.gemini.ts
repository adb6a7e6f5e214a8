/** Gemini: the SDK asks for generateContentStream, and its chunks are read here. */
import type { Content, FinishReason, FunctionCall, GenerateContentConfig, GenerateContentResponseUsageMetadata, Part } from '@google/genai'
import { inventedIds, isInvented } from './arguments.ts'
import { honest } from './honest.ts'
import type { Effort, EndReason, ModelEvent, ModelMessage, ModelRequest, Provider } from './model.ts'
import { put } from './model.gemini.arguments.ts'
import { tapped } from './model.gemini.events.ts'
import { type Fetch, type Wire, wire } from './wire.ts'

export interface GeminiKey {
  apiKey: string
  baseUrl?: string | undefined
  /** Replaces the pool of connections, in tests. */
  fetch?: Fetch | undefined
}

export const geminiModel = (key: GeminiKey): Provider => ({
  name: 'gemini',
  stream: (request, { signal }) => {
    const call = wire(signal, key.fetch)
    return honest(read(key, request, signal, call), { signal, secret: key.apiKey, heard: call.heard })
  },
})

interface Call {
  id: string
  name: string
  args: Record<string, unknown>
}

async function* read(key: GeminiKey, request: ModelRequest, signal: AbortSignal, call: Wire): AsyncGenerator<ModelEvent> {
  const { GoogleGenAI } = await import('@google/genai')
  const tap = tapped(call.fetch)
  // No `timeout`: theirs kills a healthy stream. No `retryOptions`: the retries are ours.
  const client = new GoogleGenAI({
    vertexai: false,
    apiKey: key.apiKey,
    httpOptions: { ...(key.baseUrl ? { baseUrl: key.baseUrl } : {}), fetch: tap.fetch },
  })
  await client.models.generateContentStream({
    model: request.model,
    contents: request.messages.map(contentOf),
    config: configOf(request, signal),
  })
  yield { t: 'start', provider: 'gemini', model: request.model }

  const invent = inventedIds(request.messages)
  const parts: Part[] = []
  let open: Call | undefined
  let called = false
  let finished: FinishReason | undefined
  for await (const chunks of tap.events()) {
    for (const chunk of chunks) {
      if (chunk.usageMetadata?.promptTokenCount !== undefined) yield usageOf(chunk.usageMetadata)
      const blocked = chunk.promptFeedback?.blockReason
      if (blocked) return yield { t: 'fail', kind: 'policy', message: `the prompt was blocked: ${blocked}`, partial: false }
      const candidate = chunk.candidates?.[0]
      for (const part of candidate?.content?.parts ?? []) {
        if (part.text && part.thought) yield { t: 'think', d: part.text }
        else if (part.text) yield { t: 'text', d: part.text }
        if (part.functionCall) {
          const piece = part.functionCall
          if (!open) {
            open = { id: piece.id ?? invent(), name: piece.name ?? '', args: {} }
            called = true
            yield { t: 'tool', id: open.id, name: open.name }
            parts.push({ ...part, functionCall: { ...(piece.id ? { id: piece.id } : {}), name: open.name, args: open.args } })
          }
          Object.assign(open.args, piece.args)
          for (const value of piece.partialArgs ?? []) put(open.args, value)
          if (!goesOn(piece)) {
            yield { t: 'toolReady', ...open }
            open = undefined
          }
        } else keep(parts, part)
      }
      for (const found of candidate?.groundingMetadata?.groundingChunks ?? []) {
        const source = found.retrievedContext ?? found.web
        if (!source) continue
        const id = source.uri ?? source.title ?? ('fileSearchStore' in source ? source.fileSearchStore : undefined) ?? ''
        const quote = 'text' in source ? source.text : undefined
        yield {
          t: 'cite',
          citation: { id, title: source.title ?? id, ...(source.uri ? { url: source.uri } : {}), ...(quote ? { quote } : {}) },
        }
      }
      if (candidate?.finishReason) finished = candidate.finishReason
    }
  }
  if (finished === undefined) return
  const reason = reasons[finished] ?? (refused.test(finished) ? 'filter' : undefined)
  if (!reason) return yield { t: 'fail', kind: 'truncated', message: `gemini gave up: ${finished}`, partial: false }
  const plain = parts.every((part) => part.text !== undefined && !part.thoughtSignature && !part.thought)
  // STOP even when the last thing it did was to call a tool.
  yield {
    t: 'end',
    reason: reason === 'stop' && called ? 'tool' : reason,
    raw: finished,
    ...(plain ? {} : { opaque: { provider: 'gemini', items: parts } }),
  }
}

const reasons: Record<string, EndReason> = { STOP: 'stop', MAX_TOKENS: 'length', CONTINUATION: 'pause' }
const refused = /SAFETY|RECITATION|BLOCKLIST|PROHIBITED|SPII|LANGUAGE/

const goesOn = (call: FunctionCall) => call.willContinue === true

/** Text in a row becomes one part; a signature closes it, because it belongs to exactly this place. */
function keep(parts: Part[], part: Part) {
  if (part.text === '' && !part.thoughtSignature) return
  const last = parts.at(-1)
  if (
    last?.text !== undefined &&
    part.text !== undefined &&
    !last.thoughtSignature &&
    !last.functionCall &&
    last.thought === part.thought
  ) {
    last.text += part.text
    if (part.thoughtSignature) last.thoughtSignature = part.thoughtSignature
  } else parts.push({ ...part })
}

/** Thoughts are billed as output, and the pages a tool of theirs read as input. */
function usageOf(usage: GenerateContentResponseUsageMetadata): ModelEvent {
  const reasoning = usage.thoughtsTokenCount ?? 0
  const cacheRead = usage.cachedContentTokenCount ?? 0
  return {
    t: 'usage',
    usage: {
      in: (usage.promptTokenCount ?? 0) + (usage.toolUsePromptTokenCount ?? 0),
      out: (usage.candidatesTokenCount ?? 0) + reasoning,
      ...(cacheRead ? { cacheRead } : {}),
      ...(reasoning ? { reasoning } : {}),
    },
  }
}

function configOf(request: ModelRequest, signal: AbortSignal): GenerateContentConfig {
  const tools = [...(request.tools ?? [])].sort((a, b) => (a.name < b.name ? -1 : 1))
  return {
    abortSignal: signal,
    maxOutputTokens: request.maxTokens,
    automaticContinuation: false, // each continuation is billed without being asked for
    automaticFunctionCalling: { disable: true },
    ...(request.system ? { systemInstruction: request.system } : {}),
    ...(tools.length
      ? {
          tools: [
            {
              functionDeclarations: tools.map((tool) => ({
                name: tool.name,
                description: tool.description,
                parametersJsonSchema: tool.parameters,
              })),
            },
          ],
        }
      : {}),
    ...(request.effort ? { thinkingConfig: thinkingOf(request.model, request.effort) } : {}),
    ...(request.json ? { responseMimeType: 'application/json', responseJsonSchema: request.json.schema } : {}),
  }
}

const budgets: Record<Effort, number> = { none: 0, low: 1024, medium: 8192, high: 24_576, max: 24_576 }

/** Up to 2.5 a budget in tokens, later a level; the pro models cannot stop thinking altogether. */
function thinkingOf(model: string, effort: Effort): NonNullable<GenerateContentConfig['thinkingConfig']> {
  const includeThoughts = effort !== 'none'
  const pro = /-pro/.test(model)
  if (/^gemini-[12]/.test(model)) return { includeThoughts, thinkingBudget: pro ? Math.max(128, budgets[effort]) : budgets[effort] }
  const level = effort === 'none' ? (pro ? 'LOW' : 'MINIMAL') : effort === 'low' ? 'LOW' : effort === 'medium' ? 'MEDIUM' : 'HIGH'
  // The SDK's enum is a value, and naming it would import the SDK.
  return { includeThoughts, thinkingLevel: level as NonNullable<GenerateContentConfig['thinkingConfig']>['thinkingLevel'] & {} }
}

function contentOf(message: ModelMessage): Content {
  if (message.role === 'user') return { role: 'user', parts: [{ text: message.text }] }
  if (message.role === 'tool') {
    return {
      role: 'user',
      parts: message.results.map(({ id, name, text, failed }) => ({
        functionResponse: { ...(isInvented(id) ? {} : { id }), name, response: failed ? { error: text } : { output: text } },
      })),
    }
  }
  if (message.opaque?.provider === 'gemini') return { role: 'model', parts: message.opaque.items as Part[] }
  const calls = (message.toolCalls ?? []).map(
    (call, i): Part => ({
      functionCall: { name: call.name, args: (call.args ?? {}) as Record<string, unknown> },
      // From 3 on, a call without its signature is refused; this is Google's word for a call that another model made.
      ...(i === 0 ? { thoughtSignature: 'skip_thought_signature_validator' } : {}),
    }),
  )
  return { role: 'model', parts: [...(message.text ? [{ text: message.text }] : []), ...calls] }
}
