/** Turns whatever an SDK throws into one of our kinds, by shape and never by class: importing the classes means importing the SDKs. */
import type { FaultKind } from './model.ts'

export interface Fault {
  kind: FaultKind
  message: string
  status?: number
  retryAfterMs?: number
}

/** What a call throws that has no stream to put a `fail` into. */
export class ModelFault extends Error {
  readonly kind: FaultKind
  readonly status: number | undefined
  readonly retryAfterMs: number | undefined
  constructor(fault: Fault, cause?: unknown) {
    super(fault.message, { cause })
    this.name = 'ModelFault'
    this.kind = fault.kind
    this.status = fault.status
    this.retryAfterMs = fault.retryAfterMs
  }
}

const LONGEST_MESSAGE = 400 // some gateways answer with a whole page of HTML

/** `heard`: the headers of the response, for the SDKs that keep them to themselves (Gemini, Ollama). */
export function faultOf(error: unknown, heard?: Headers): Fault {
  const status = statusOf(error)
  const said = wordsOf(error)
  const retryAfterMs = retryAfter(headersOf(error) ?? heard, said)
  return {
    kind: kindOf(error, status, said),
    message: said.slice(0, LONGEST_MESSAGE),
    ...(status === undefined ? {} : { status }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  }
}

/** The same for an error that arrives as data inside a stream: a code or type and a sentence. */
export const faultOfCode = (code: string | null | undefined, message: string): Fault => ({
  kind: kindOfWords(`${code ?? ''} ${message}`) ?? 'overload',
  message: message.slice(0, LONGEST_MESSAGE),
})

function kindOf(error: unknown, status: number | undefined, said: string): FaultKind {
  const names = chain(error)
    .map((link) => `${field(link, 'name')} ${field(link, 'code')}`)
    .join(' ')
  if (/AbortError|APIUserAbortError/.test(names)) return 'abort'
  if (status !== undefined) return kindOfStatus(status, said)
  if (/HEADERS_TIMEOUT|BODY_TIMEOUT|ConnectionTimeoutError/.test(names)) return 'stall'
  if (/Did not receive done|Incomplete JSON segment/.test(said)) return 'truncated'
  if (/ECONN|ENOTFOUND|EAI_AGAIN|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|UND_ERR|CERT|APIConnectionError/.test(names)) return 'network'
  const byWords = kindOfWords(said)
  if (byWords) return byWords
  // undici says "terminated" or "fetch failed" as a TypeError; a chunk that is no JSON is a SyntaxError.
  if (/TypeError|SyntaxError/.test(names) || /parsing stream chunk/.test(said)) return 'network'
  return 'overload'
}

function kindOfStatus(status: number, said: string): FaultKind {
  if (status === 401 || status === 402 || status === 403) return 'auth'
  if (status === 413) return 'context'
  if (status === 429) return /insufficient_quota|billing/i.test(said) ? 'auth' : 'rate'
  if (status === 408 || status === 409 || status === 425 || status >= 500) return 'overload'
  const byWords = kindOfWords(said)
  return byWords === 'context' || byWords === 'policy' || byWords === 'auth' ? byWords : 'badreq'
}

/** A spent quota is `auth`: waiting does not fill it, another provider helps. */
function kindOfWords(said: string): FaultKind | undefined {
  if (
    /insufficient_quota|invalid_api_key|API_KEY_INVALID|API key not valid|authentication_error|permission_error|billing_error/i.test(said)
  )
    return 'auth'
  if (
    /context_length_exceeded|context (length|window)|maximum context|prompt is too long|exceeds the (available )?context|input token count.*exceeds|too many tokens/i.test(
      said,
    )
  )
    return 'context'
  if (/content_policy|content_filter|content management policy|safety system|usage policy/i.test(said)) return 'policy'
  if (/rate_limit|rate limit|RESOURCE_EXHAUSTED|too many requests/i.test(said)) return 'rate'
  if (/overloaded|server_error|api_error|unavailable|timeout_error/i.test(said)) return 'overload'
  if (/invalid_request_error|invalid_prompt|not_found_error|INVALID_ARGUMENT/i.test(said)) return 'badreq'
  return undefined
}

/** The error and its causes, outermost first. */
function chain(error: unknown): unknown[] {
  const links: unknown[] = []
  for (let link = error; link && links.length < 5; link = (link as { cause?: unknown }).cause) links.push(link)
  return links
}

const field = (of: unknown, name: string): unknown =>
  typeof of === 'object' && of !== null ? (of as Record<string, unknown>)[name] : undefined

function statusOf(error: unknown): number | undefined {
  for (const link of chain(error)) {
    const status = field(link, 'status') ?? field(link, 'status_code')
    if (typeof status === 'number') return status
  }
  return undefined
}

function headersOf(error: unknown): Headers | undefined {
  const headers = field(error, 'headers')
  return typeof field(headers, 'get') === 'function' ? (headers as Headers) : undefined
}

/** Message, type and code in one line: providers put the telling word in any of them. */
function wordsOf(error: unknown): string {
  if (!(error instanceof Error)) return typeof error === 'string' ? error : (JSON.stringify(error) ?? String(error))
  // Ollama turns an error that is an object into "[object Object]" but keeps the object beside it.
  const body = field(error, 'error')
  const message = error.message === '[object Object]' ? JSON.stringify(body) : error.message
  const words = [message, field(error, 'type'), field(error, 'code')].filter((word) => typeof word === 'string' && word !== '')
  const cause = chain(error)
    .slice(1)
    .map((link) => field(link, 'message'))
    .filter((word) => typeof word === 'string' && word !== message)
  return [...new Set([...words, ...cause])].join(' · ')
}

function retryAfter(headers: Headers | undefined, said: string): number | undefined {
  const ms = Number(headers?.get('retry-after-ms') ?? Number.NaN)
  if (Number.isFinite(ms) && ms >= 0) return ms
  const after = headers?.get('retry-after')
  if (after) {
    const seconds = Number(after)
    if (Number.isFinite(seconds)) return Math.max(0, seconds * 1000)
    const date = Date.parse(after)
    if (Number.isFinite(date)) return Math.max(0, date - Date.now())
  }
  // Google has no header and says it in the body: RetryInfo { retryDelay: "34.4s" }.
  const google = /\\?"retryDelay\\?"\s*:\s*\\?"([\d.]+)s/.exec(said)
  return google ? Math.round(Number(google[1]) * 1000) : undefined
}
