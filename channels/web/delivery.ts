/** Brings messages to the server: one at a time, in order, under the same id until somebody answers. */
import type { Socket } from 'socket.io-client'
import type { ClientEvents, Refused, ServerEvents } from '../../runtime/gateway/protocol.ts'
import type { Outgoing } from './transcript.ts'

type Answer = Parameters<Parameters<ClientEvents['message.send']>[1]>[0]

export interface DeliveryNeeds {
  socket: Socket<ServerEvents, ClientEvents>
  /** How long an acknowledgement may take. */
  patience: number
  later: (ms: number, then: () => void) => void
  /** What is to be sent now, if anything can be. */
  next: () => { conversation: string; message: Outgoing } | undefined
  /** Accepted, or refused for good. */
  done: (conversation: string, id: string, answer: Answer) => void
}

const MOST_TRIES = 6

/** Answers a function that sends what waits; calling it once too often does no harm. */
export function delivery({ socket, patience, later, next, done }: DeliveryNeeds): () => void {
  let busy = false
  let tries = 0
  function deliver(): void {
    const due = busy ? undefined : next()
    if (!due) return
    const {
      conversation,
      message: { id, text, parts },
    } = due
    busy = true
    socket.timeout(patience).emit('message.send', { conversation, id, text, ...(parts ? { parts } : {}) }, (error, answer) => {
      busy = false
      if (error) return later(jitter(200), deliver) // after a disconnect this finds nothing to do, and the next join delivers
      if (!answer.ok && passes(answer) && ++tries < MOST_TRIES) return later(waitFor(answer), deliver)
      tries = 0
      done(conversation, id, answer)
      deliver()
    })
  }
  return deliver
}

/** Refusals that time heals. */
export const passes = ({ code }: Refused): boolean => passing.has(code)
const passing: ReadonlySet<string> = new Set(['rate.limited', 'mailbox.full', 'store.unavailable', 'server.draining', 'turn.busy'])

/** Never sooner than was asked for. */
export const waitFor = ({ retryAfter }: Refused): number => (retryAfter ?? 1) * 1000 * (1 + Math.random() / 2)

/** Clients that failed together should not come back together. */
export const jitter = (ms: number): number => ms * (0.5 + Math.random())
