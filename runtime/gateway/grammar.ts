/** Two ways of saying a stream over SSE. Pure: tested with recorded events. */
import type { Grammar } from './sse.ts'

/** `{ session_id, delta, finished }`. */
export const short = (session_id: string): Grammar => ({
  start: () => undefined,
  delta: (delta) => ({ data: { session_id, delta, finished: false } }),
  retracted: (reason) => ({ data: { session_id, delta: '', finished: false, retracted: true, reason } }),
  finished: () => [],
  end: () => ({ data: { session_id, delta: '', finished: true } }),
  refused: ({ code, message }) => ({ data: { session_id, delta: '', finished: false, error: { code, message } } }),
})

/** `start` → `token`… → `citations` → `done`; a refusal is a token stream that ends in `error`. */
export const long = (session_id: string): Grammar => {
  let usage = { prompt: 0, completion: 0, total: 0 }
  return {
    start: () => ({ event: 'start', data: { type: 'start', session_id } }),
    delta: (content) => ({ event: 'token', data: { type: 'token', content } }),
    retracted: (reason) => ({ event: 'retracted', data: { type: 'retracted', reason } }),
    finished(reply) {
      usage = { prompt: reply.usage?.in ?? 0, completion: reply.usage?.out ?? 0, total: (reply.usage?.in ?? 0) + (reply.usage?.out ?? 0) }
      return [{ event: 'citations', data: { type: 'citations', citations: reply.message.citations ?? [] } }]
    },
    end: () => ({ event: 'done', data: { type: 'done', session_id, usage } }),
    refused: ({ code, message }) => ({ event: 'error', data: { type: 'error', error: { code, message } } }),
  }
}
