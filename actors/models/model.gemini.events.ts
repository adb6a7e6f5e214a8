/**
 * Gemini's SDK makes a response of its own out of every event before it reads it, which costs five times all the rest of a stream.
 * So it asks, and we read.
 */
import type { GenerateContentResponse } from '@google/genai'
import type { Fetch } from './wire.ts'

export interface Tap {
  /** For the SDK: a good answer comes without its body. */
  fetch: Fetch
  /** What the body holds, as many events at once as have arrived. To be read once, after the SDK has its answer. */
  events(): AsyncGenerator<GenerateContentResponse[]>
}

export function tapped(fetch: Fetch): Tap {
  let body: ReadableStream<Uint8Array> | null = null
  return {
    fetch: async (input, init) => {
      const response = await fetch(input, init)
      if (!response.ok) return response
      body = response.body
      return new Response(null, { status: response.status, headers: response.headers })
    },
    events: () => eventsIn(body),
  }
}

async function* eventsIn(body: ReadableStream<Uint8Array> | null): AsyncGenerator<GenerateContentResponse[]> {
  if (!body) return
  const reader = body.getReader()
  const decoder = new TextDecoder()
  let rest = ''
  try {
    for (;;) {
      const { done, value } = await reader.read()
      const lines = `${rest}${decoder.decode(value, { stream: !done })}`.split('\n')
      rest = done ? '' : (lines.pop() ?? '')
      const { events, wrong } = read(lines)
      if (events.length > 0) yield events
      if (wrong) throw wrong.error
      if (done) return
    }
  } finally {
    // Whatever it says to that is of no use to anybody.
    reader.cancel().catch(() => {})
  }
}

const DATA = /^data: ?/
/** Fields that tell us nothing, comments, and what stands between events. An error may stand alone, without `data:`. */
const FIELD = /^(?:event|id|retry)?:|^\s*$/

/** What came before the first wrong line is told first. */
function read(lines: string[]): { events: GenerateContentResponse[]; wrong?: { error: unknown } } {
  const events: GenerateContentResponse[] = []
  try {
    for (const line of lines) {
      if (FIELD.test(line)) continue
      const event = JSON.parse(line.replace(DATA, '')) as GenerateContentResponse & { error?: { code?: unknown } }
      if (event.error) throw Object.assign(new Error(JSON.stringify(event)), statusIn(event.error))
      events.push(event)
    }
    return { events }
  } catch (error) {
    return { events, wrong: { error } }
  }
}

const statusIn = ({ code }: { code?: unknown }) => (typeof code === 'number' && code >= 400 && code < 600 ? { status: code } : {})
