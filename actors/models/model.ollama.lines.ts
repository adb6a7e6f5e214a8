/** Ollama's SDK drops a line it cannot parse and prints it to the console: an answer with a hole in it. So we look first. */
import type { Fetch } from './wire.ts'

export const careful =
  (fetch: Fetch): Fetch =>
  async (input, init) => {
    const response = await fetch(input, init)
    if (!response.ok) throw refusalOf(response.status, await response.text(), response.headers)
    if (!response.body) return response
    return new Response(checkedLines(response.body), { headers: response.headers })
  }

/** Whole lines only, up to the first that is no JSON or is an error itself: there the stream ends with that error. */
function checkedLines(body: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
  const reader = body.getReader()
  const decoder = new TextDecoder()
  const encoder = new TextEncoder()
  let rest = ''
  let wrong: unknown
  const good = (lines: string[]): string => {
    const passed: string[] = []
    try {
      for (const line of lines) {
        if (line.trim() === '') continue
        check(line)
        passed.push(`${line}\n`)
      }
    } catch (error) {
      wrong = error // told at the next read: an error now would take the lines before it away
    }
    return passed.join('')
  }
  return new ReadableStream(
    {
      pull: async (controller) => {
        for (;;) {
          if (wrong) return controller.error(wrong)
          const { done, value } = await reader.read()
          const lines = `${rest}${decoder.decode(value, { stream: !done })}`.split('\n')
          rest = done ? '' : (lines.pop() ?? '')
          const passed = good(lines)
          if (passed) controller.enqueue(encoder.encode(passed))
          if (done && !wrong) controller.close()
          if (passed || done) return done && wrong && !passed ? controller.error(wrong) : undefined
        }
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  )
}

function check(line: string) {
  const said = JSON.parse(line) as { error?: unknown }
  if (said.error !== undefined) throw refusalOf(undefined, line)
}

/** The SDK would lose the headers, and would turn an error that is an object into "[object Object]". */
function refusalOf(status: number | undefined, body: string, headers?: Headers): Error {
  return Object.assign(new Error(body), status === undefined ? {} : { status, headers })
}
