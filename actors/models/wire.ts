/** One pool of connections for all providers. The SDKs get our fetch, so that sockets stay warm between turns. */

export type Fetch = typeof globalThis.fetch

export interface Wire {
  fetch: Fetch
  /** The headers of the answer, for SDKs that do not show them. */
  heard: { headers?: Headers | undefined }
}

let pool: Promise<Fetch> | undefined

async function openPool(): Promise<Fetch> {
  const { Agent, fetch } = await import('undici')
  const dispatcher = new Agent({
    bodyTimeout: 0, // undici's 300 s would be the only thing that ends a stall; the watchdog does it better
    headersTimeout: 0,
    keepAliveTimeout: 60_000, // Node's 4 s costs a TLS handshake in every first token of a conversation
    connect: { timeout: 10_000 },
  })
  // The types of undici's fetch and of the global one differ by their FormData only, which we never send.
  return ((input: string, init?: object) => fetch(input, { ...init, dispatcher })) as unknown as Fetch
}

/** A wire for one call: joins the caller's signal (Ollama's SDK has none) and remembers the headers. */
export function wire(signal: AbortSignal, through?: Fetch): Wire {
  const heard: Wire['heard'] = {}
  return {
    heard,
    fetch: async (input, init) => {
      pool ??= openPool()
      const fetch = through ?? (await pool)
      const joined = init?.signal ? AbortSignal.any([signal, init.signal]) : signal
      const response = await fetch(input, { ...init, signal: joined })
      heard.headers = response.headers
      return unmasked(response)
    },
  }
}

const TELLING = 32 // bytes: enough to tell {"error": and {"type":"error" from an event

/** A proxy may put an error with status 200 where a stream was asked for. It gets the status it should have had. */
async function unmasked(response: Response): Promise<Response> {
  if (!response.ok || !response.body || !/application\/json/.test(response.headers.get('content-type') ?? '')) return response
  const reader = response.body.getReader()
  const first: Uint8Array[] = []
  let size = 0
  while (size < TELLING) {
    const { done, value } = await reader.read()
    if (done) break
    first.push(value)
    size += value.length
  }
  const whole = new ReadableStream<Uint8Array>({
    pull: async (controller) => {
      const kept = first.shift()
      if (kept) return controller.enqueue(kept)
      const { done, value } = await reader.read()
      if (done) controller.close()
      else controller.enqueue(value)
    },
    cancel: (reason) => reader.cancel(reason),
  })
  const isError = /^\s*\{\s*("type"\s*:\s*"error"|"error"\s*:)/.test(new TextDecoder().decode(Buffer.concat(first)))
  const { headers } = response
  if (!isError) return new Response(whole, { headers })
  const body = await new Response(whole).text()
  return new Response(body, { status: statusInside(body), headers })
}

function statusInside(body: string): number {
  const code = Number(/"(?:code|status)"\s*:\s*"?(\d{3})\b/.exec(body)?.[1])
  if (code >= 400 && code < 600) return code
  if (/rate_limit/.test(body)) return 429
  if (/authentication|invalid_api_key/.test(body)) return 401
  if (/invalid_request/.test(body)) return 400
  return 502
}
