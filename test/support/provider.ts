/**
 * A model service on this machine that speaks all five wire formats, says what the test tells it to say,
 * and misbehaves on request.
 *
 *     const double = await providerDouble()
 *     double.next({ text: 'Hello there.' })
 *     double.next({ fault: { status: 429, retryAfter: 1 } }, 'openai')
 *     const model = openaiModel({ apiKey: 'k', baseUrl: double.url('openai') })
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { createBackground } from './provider.background.ts'
import { bodyOf, type Wire, wires } from './provider.wire.ts'

export { type Wire, wires }

/** What one call gets. Everything is optional: `{}` is a short friendly answer. */
export interface Script {
  /** An array sets the pieces; a string is cut into words. */
  text?: string | string[]
  think?: string
  tools?: { id?: string; name: string; args: unknown }[]
  /** false: the service never tells. */
  usage?: { in: number; out: number; cacheRead?: number; cacheWrite?: number; reasoning?: number } | false
  end?: 'stop' | 'length' | 'refusal' | 'filter'
  /** A whole body as it was recorded, instead of all the above. */
  recorded?: string | Uint8Array
  /** An answer that does not stream. */
  json?: unknown
  fault?: Fault
  /** Milliseconds between two pieces. */
  pace?: number
  /** Milliseconds before the headers. */
  delay?: number
  /** Bytes of a write, so that UTF-8 is cut in the middle. */
  writes?: number
}

export type Fault =
  | { status: number; retryAfter?: number | string; headers?: Record<string, string>; body?: unknown }
  | 'hang before headers'
  /** Says the text, and then nothing more, with the socket open. */
  | 'hang'
  /** Headers and nothing else. */
  | 'hang after headers'
  /** Says the text, then resets the connection. */
  | 'cut'
  /** Says the text and ends cleanly, without the terminal marker: a proxy's work. */
  | 'eof'
  | 'malformed'
  /** Status 200 and an error where the next event should be. */
  | 'error inside'
  /** Status 200 and a JSON body that is an error. */
  | 'error as body'

export interface SeenRequest {
  wire: Wire
  method: string
  path: string
  headers: Record<string, string | undefined>
  /** The parsed body, which each wire shapes differently. */
  body: Record<string, unknown>
  model: string
  /** True once the client has closed the socket before we were through. */
  hungUp: boolean
  /** Resolves with `performance.now()` when the client closes before we are through. */
  hangUp: Promise<number>
}

export interface ProviderDouble {
  /** What a client takes as its base url for this wire. */
  url(wire: Wire): string
  /** Scripts are used up in order; one for a wire comes before one for anybody. */
  next(script: Script, wire?: Wire): void
  /** Drops the scripts that nobody asked for. */
  forget(): void
  /** Every request so far, oldest first. */
  requests: SeenRequest[]
  /** Whether somebody has ended this answer, which was written in the background. */
  isCancelled(id: string): boolean
  /** The next request that arrives. */
  arrival(): Promise<SeenRequest>
  close(): Promise<void>
}

export interface ProviderDoubleNeeds {
  /** For whatever no script is queued: what is said may depend on what is asked. */
  answer?: (request: SeenRequest) => Script
  port?: number
}

/** Events of an answer in the background that are heard before its line is cut. */
const CUT = 3

export async function providerDouble({ answer = () => ({}), port = 0 }: ProviderDoubleNeeds = {}): Promise<ProviderDouble> {
  const queue: { script: Script; wire?: Wire | undefined }[] = []
  const requests: SeenRequest[] = []
  const waiting: ((request: SeenRequest) => void)[] = []
  const sockets = new Set<Socket>()

  const background = createBackground(moment)

  /** A request about an answer that was begun before. */
  function again({ wire, path, method }: SeenRequest, res: ServerResponse): Promise<void> | undefined {
    const [, id, what] = (wire === 'openai' && /\/responses\/([^/?]+)(\/cancel)?/.exec(path)) || []
    if (!id) return undefined
    const after = Number(/starting_after=(\d+)/.exec(path)?.[1] ?? -1)
    return (async () => {
      if (what && method === 'POST' && background.cancel(id)) return void res.end('{}')
      if (what || !background.has(id)) return refuse({ status: 404 }, res)
      res.writeHead(200, { 'content-type': 'text/event-stream' })
      await background.read(id, after, res)
      res.end()
    })()
  }

  async function begin(script: Script, { model }: SeenRequest, res: ServerResponse) {
    res.writeHead(200, { 'content-type': 'text/event-stream', 'x-request-id': 'req_double' })
    const isCut = script.fault === 'cut'
    await background.read(background.begin(script, model), -1, res, isCut ? CUT : undefined)
    if (!isCut) return void res.end()
    await moment(10)
    res.socket?.resetAndDestroy()
  }

  const take = (seen: SeenRequest): Script => {
    const own = queue.findIndex(({ wire }) => wire === seen.wire)
    const any = own >= 0 ? own : queue.findIndex(({ wire }) => wire === undefined)
    return any >= 0 ? (queue.splice(any, 1)[0]?.script ?? {}) : answer(seen)
  }

  const server = createServer((req, res) => {
    void receive(req, res).then((seen) => {
      requests.push(seen)
      waiting.shift()?.(seen)
      return again(seen, res) ?? (seen.body.background ? begin(take(seen), seen, res) : play(take(seen), seen, res))
    })
  })
  server.on('connection', (socket) => {
    socket.setNoDelay(true)
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

  return {
    url: (wire) => `${base}/${wire}${wire === 'openai' || wire === 'chat' ? '/v1' : ''}`,
    next: (script, wire) => void queue.push({ script, wire }),
    forget: () => void queue.splice(0),
    requests,
    isCancelled: background.isCancelled,
    arrival: () => new Promise((resolve) => waiting.push(resolve)),
    close: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

async function receive(req: IncomingMessage, res: ServerResponse): Promise<SeenRequest> {
  const parts: Buffer[] = []
  for await (const part of req) parts.push(part as Buffer)
  const path = req.url ?? ''
  const named = wires.find((name) => path.startsWith(`/${name}/`)) ?? 'chat'
  const wire = path.includes('/chat/completions') ? 'chat' : named // OpenAI's own address speaks both
  const text = Buffer.concat(parts).toString()
  const body = (text === '' ? {} : JSON.parse(text)) as Record<string, unknown>
  const seen: SeenRequest = {
    wire,
    method: req.method ?? 'GET',
    path,
    headers: req.headers as Record<string, string | undefined>,
    body,
    model: typeof body.model === 'string' ? body.model : (/models\/([^:]+):/.exec(path)?.[1] ?? ''),
    hungUp: false,
    hangUp: new Promise((resolve) => {
      res.on('close', () => {
        if (res.writableFinished) return
        seen.hungUp = true
        resolve(performance.now())
      })
    }),
  }
  return seen
}

async function play(script: Script, seen: SeenRequest, res: ServerResponse): Promise<void> {
  const { fault } = script
  if (fault === 'hang before headers') return
  if (script.delay) await moment(script.delay)
  if (typeof fault === 'object') return refuse(fault, res)
  if (script.json !== undefined || fault === 'error as body') {
    res.writeHead(200, { 'content-type': 'application/json' })
    res.end(JSON.stringify(fault ? bodyOf.errors(seen.wire) : script.json))
    return
  }
  res.writeHead(200, {
    'content-type': seen.wire === 'ollama' ? 'application/x-ndjson' : 'text/event-stream',
    'x-request-id': 'req_double',
    'request-id': 'req_double',
  })
  res.flushHeaders()
  if (fault === 'hang after headers') return

  const { said, last } =
    script.recorded === undefined ? bodyOf.script(seen.wire, script, seen.model) : { said: [script.recorded], last: [] }
  for (const piece of said) {
    if (seen.hungUp) return
    await write(res, piece, script.writes)
    if (script.pace) await moment(script.pace)
  }
  if (fault === 'hang') return
  if (fault === 'cut') {
    // A moment, or the reset overtakes what was said.
    await moment(10)
    res.socket?.resetAndDestroy()
    return
  }
  if (fault === 'malformed') await write(res, bodyOf.malformed(seen.wire))
  if (fault === 'error inside') await write(res, bodyOf.errorEvent(seen.wire))
  if (fault !== 'eof' && fault !== 'error inside') for (const piece of last) await write(res, piece, script.writes)
  res.end()
}

function refuse(fault: Exclude<Fault, string>, res: ServerResponse) {
  const { status, retryAfter, headers = {}, body } = fault
  res.writeHead(status, {
    'content-type': 'application/json',
    ...(retryAfter === undefined ? {} : { 'retry-after': String(retryAfter) }),
    ...headers,
  })
  res.end(typeof body === 'string' ? body : JSON.stringify(body ?? { error: { message: `the double says ${status}` } }))
}

const moment = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

async function write(res: ServerResponse, piece: string | Uint8Array, bytes = 0): Promise<void> {
  const whole = typeof piece === 'string' ? Buffer.from(piece) : piece
  if (bytes === 0) return void res.write(whole)
  for (let at = 0; at < whole.length; at += bytes) {
    res.write(whole.subarray(at, at + bytes))
    // Let it leave, or the kernel puts the pieces together again.
    await new Promise(setImmediate)
  }
}

/** A fetch whose answers arrive in reads of exactly this many bytes, whatever the network did with them. */
export const inReadsOf =
  (bytes: number): typeof fetch =>
  async (input, init) => {
    const response = await fetch(input, init)
    if (!response.body) return response
    const reader = response.body.getReader()
    let kept = new Uint8Array()
    const body = new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        while (kept.length < bytes) {
          const { done, value } = await reader.read()
          if (done) {
            if (kept.length) controller.enqueue(kept)
            controller.close()
            return
          }
          kept = Buffer.concat([kept, value])
        }
        controller.enqueue(kept.slice(0, bytes))
        kept = kept.subarray(bytes)
      },
      cancel: (reason) => reader.cancel(reason),
    })
    return new Response(body, { status: response.status, headers: response.headers })
  }
