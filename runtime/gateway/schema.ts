/** What may come in. One schema a request validates, types and documents it. */
import { z } from 'zod'
import { periodNames } from '../../sql/usage.ts'

/** Printable, not empty, short enough to be a key. */
const id = z
  .string()
  .min(1)
  .max(200)
  .regex(/^[^\p{Cc}]+$/u, 'must not hold control characters')
export const uuid = z.uuid()

const part = z.object({
  type: z.enum(['image', 'audio', 'file']),
  url: z.url().max(2_048).optional(),
  name: z.string().max(255).optional(),
  mime: z.string().max(255).optional(),
})

const whole = z.number().int().min(0)
export const cursor = z.object({ seq: whole, turn: id.optional(), attempt: whole.optional(), offset: whole.optional() })

export const clientEvents = {
  'conversation.join': z.object({ conversation: uuid.optional(), bot: id.optional(), after: cursor.optional() }),
  'conversation.leave': z.object({ conversation: uuid }),
  'message.send': z.object({ conversation: uuid, id, text: z.string(), parts: z.array(part).max(10).optional() }),
  'reply.stop': z.object({ conversation: uuid }),
  'reply.seen': z.object({ conversation: uuid, cursor }),
  'typing.started': z.object({ conversation: uuid }),
  'typing.stopped': z.object({ conversation: uuid }),
} as const

export type ClientEventName = keyof typeof clientEvents

/** One address, two bodies: `message` speaks the short form, `messages` or `bot_id` the long one. */
export const chatShort = z.object({
  message: z.string(),
  session_id: uuid.optional(),
  stream: z.boolean().optional(),
  message_id: id.optional(),
})
export const chatLong = z.object({
  bot_id: id.optional(),
  messages: z
    .array(z.object({ role: z.enum(['user', 'assistant', 'system']), content: z.string() }))
    .min(1)
    .max(100),
  session_id: uuid.optional(),
  stream: z.boolean().optional(),
  metadata: z.record(z.string(), z.unknown()).optional(),
})
export const chat = z.union([chatShort, chatLong])
export const session = z.object({ session_id: uuid })
export const apiChat = z.object({ content: z.string(), session_id: uuid.optional() })

const peer = z.object({ type: z.string().max(40), external_id: id, display_name: z.string().max(200).optional() })
export const inbound = z.object({
  id,
  tenant_id: z.string().max(200).optional(),
  conversation_id: id,
  channel: z.string().min(1).max(40),
  direction: z.literal('inbound').optional(),
  from: peer,
  to: peer.optional(),
  content: z.object({ type: z.literal('text'), text: z.string() }),
  metadata: z.record(z.string(), z.unknown()).optional(),
  timestamp: z.string().max(40).optional(),
  source_message_id: z.string().max(200).optional(),
})

export const orderFilter = z.object({
  status: z.string().max(40).optional(),
  owner: z.string().max(40).optional(),
  limit: z.coerce.number().int().min(1).max(200).default(50),
})
export const metricsFilter = z.object({ period: z.enum(periodNames).default('today') })
