/** What every model provider looks like to us: one request, one stream of small events, no SDK type in sight. */
import type { Citation, Usage } from '../../machines/message.ts'

/** Why a call failed, in words the ladder can act on. `stall`: silent too long. `truncated`: ended without its terminal marker. */
export type FaultKind = 'rate' | 'overload' | 'auth' | 'context' | 'policy' | 'badreq' | 'network' | 'stall' | 'truncated' | 'abort'

export type EndReason = 'stop' | 'length' | 'tool' | 'refusal' | 'filter' | 'pause'

/**
 * One stream: `start`, then anything, then exactly one `end` or `fail`. `usage` is cumulative, the last one counts. Whoever has the
 * `ticket` of a start can read the same answer once more, from its first word, while the service goes on with it. `continues`: what
 * comes stands behind the beginning that was given.
 */
export type ModelEvent =
  | { t: 'start'; provider: string; model: string; requestId?: string; ticket?: string; continues?: true }
  | { t: 'text'; d: string }
  | { t: 'think'; d: string }
  | { t: 'tool'; id: string; name: string; argsDelta?: string }
  | { t: 'toolReady'; id: string; name: string; args: unknown; broken?: string }
  | { t: 'cite'; citation: Citation }
  | { t: 'usage'; usage: Usage }
  | { t: 'end'; reason: EndReason; raw: string; opaque?: Opaque }
  | { t: 'fail'; kind: FaultKind; message: string; status?: number; retryAfterMs?: number; partial: boolean }

/** Provider parts that must go back unchanged (thinking with its signature, thoughtSignature, encrypted reasoning), and only to the same family. */
export interface Opaque {
  provider: string
  items: unknown[]
}

export interface ToolCall {
  id: string
  name: string
  args: unknown
}

export type ModelMessage =
  | { role: 'user'; text: string }
  | { role: 'assistant'; text: string; toolCalls?: ToolCall[]; opaque?: Opaque }
  | { role: 'tool'; results: { id: string; name: string; text: string; failed?: boolean }[] }

export interface Tool {
  name: string
  description: string
  /** JSON Schema of the arguments. */
  parameters: Record<string, unknown>
}

/** A piece of knowledge that the answer may lean on; already part of `system` for models that read, quoted by the one that cannot. */
export interface Passage extends Citation {
  text: string
}

/** The only sampling knob that all families share. */
export type Effort = 'none' | 'low' | 'medium' | 'high' | 'max'

export interface ModelRequest {
  model: string
  system: string
  messages: ModelMessage[]
  maxTokens: number
  effort?: Effort
  tools?: Tool[]
  passages?: Passage[]
  /** Asks for strict JSON of this schema. */
  json?: { name: string; schema: Record<string, unknown> }
  /** Same key, same stable prefix: `tenant:agent`. */
  cacheKey?: string
  /** Nothing is asked: an answer that was begun before is read from its first word. */
  ticket?: string
  /** The last message is the beginning of the answer, to be gone on with; only providers are asked so that can. */
  continues?: true
}

export interface Provider {
  readonly name: string
  /** Goes on with an answer whose beginning it is given. */
  readonly continues?: boolean | undefined
  /** Never throws: whatever goes wrong is a `fail`, and an aborted signal ends as `fail` of kind `abort`, at once. */
  stream(request: ModelRequest, context: { signal: AbortSignal }): AsyncIterable<ModelEvent>
  /** Nobody wants the answer of this ticket any more. Never throws. */
  cancel?(ticket: string): void
}
