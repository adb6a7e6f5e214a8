/** A request that we decline: the one table of codes, statuses and sentences. The README lists the same (a test compares). */
export const refusals = {
  'request.malformed': [400, 'The request is not valid; details name the fields.'],
  'event.unknown': [400, 'There is no event of that name.'],
  'text.missing': [400, 'The message has no text.'],
  'text.malformed': [400, 'The text is not valid Unicode.'],
  'text.too_long': [400, 'The text is longer than the limit.'],
  'cursor.ahead': [400, 'The cursor is ahead of the conversation.'],
  'credential.missing': [401, 'A credential is required.'],
  'credential.invalid': [401, 'The credential is not valid.'],
  'role.refused': [403, 'This credential may not do that.'],
  'tenant.refused': [403, 'The credential does not belong to this tenant.'],
  'conversation.unknown': [404, 'There is no such conversation.'],
  'route.unknown': [404, 'There is nothing at this address.'],
  'message.conflict': [409, 'A message with this id and another text was already accepted.'],
  'turn.busy': [409, 'An answer is being written; this conversation takes one message at a time.'],
  'session.expired': [410, 'This session has expired.'],
  'body.too_large': [413, 'The request is larger than the limit.'],
  'media.unsupported': [415, 'The body must be JSON.'],
  'quota.spent': [429, 'The budget of this conversation is spent.'],
  'mailbox.full': [429, 'The conversation cannot take more messages at the moment; try again later.'],
  'step.failed': [500, 'The message could not be processed and was set aside for an operator.'],
  'internal.error': [500, 'Something went wrong on our side.'],
  'answer.failed': [502, 'No model could answer.'],
  'store.unavailable': [503, 'The store is not reachable; try again later.'],
  'server.draining': [503, 'This server is shutting down; try again.'],
  'answer.late': [504, 'The answer did not come in time; it will appear in the conversation.'],
} as const satisfies Record<string, readonly [status: number, sentence: string]>

export type RefusalCode = keyof typeof refusals

/** Thrown where a request is declined; the door turns it into a status, an acknowledgement or an SSE error. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly code: RefusalCode
  readonly status: number
  readonly details: unknown
  /** Seconds after which another try makes sense, for 429 and 503. */
  readonly retryAfter: number | undefined

  constructor(code: RefusalCode, { details, retryAfter }: { details?: unknown; retryAfter?: number } = {}) {
    super(refusals[code][1])
    this.code = code
    this.status = refusals[code][0]
    this.details = details
    this.retryAfter = retryAfter ?? (this.status === 429 || this.status === 503 ? 1 : undefined)
  }
}
