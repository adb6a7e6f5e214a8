/** Chat over plain HTTP: one address with two bodies, streams in two grammars, all of them the same conversation underneath. */
import { randomUUID } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Refusal } from '../../machines/refusal.ts'
import { findOrder } from '../../sql/orders.ts'
import type { Database } from '../../sql/database.ts'
import type { Bus } from '../cluster/bus.ts'
import type { Stage } from '../cluster/stage.ts'
import { type Answer, followMessage } from './answer.ts'
import type { Principal } from './auth.ts'
import type { Desk } from './desk.ts'
import { long, short } from './grammar.ts'
import type { App, Guarded } from './http.ts'
import { apiChat, chat, chatShort, session } from './schema.ts'
import { readCursor } from './cursor.ts'
import { promptly } from './promptly.ts'
import { type Grammar, stream } from './sse.ts'

interface Needs {
  db: Database
  bus: Bus
  stage: Stage
  desk: Desk
  guard: Guarded
  answerTimeout: number
  sessionTtl: number | undefined
}

export function chatRoutes(app: App, needs: Needs) {
  const { desk, guard, answerTimeout, sessionTtl } = needs

  /** A session that rested too long is over; one that nobody began begins now. */
  async function sessionOf(principal: Principal, id: string | undefined): Promise<string> {
    if (!id) return randomUUID()
    const known = await desk.open(principal, id)
    if (known && sessionTtl && known.idle > sessionTtl * 1000) throw new Refusal('session.expired')
    return id
  }

  async function ask(principal: Principal, conversation: string, text: string, more: { id?: string; bot?: string } = {}): Promise<Answer> {
    const id = more.id ?? randomUUID()
    const following = await followMessage(needs, principal.tenant.id, conversation, id)
    try {
      const accepted = await desk.accept(principal, { conversation, id, text, ...(more.bot && { bot: more.bot }) })
      return await following.answer(answerTimeout, accepted)
    } finally {
      following.end()
    }
  }

  async function speak(
    request: FastifyRequest,
    reply: FastifyReply,
    principal: Principal,
    grammarOf: (conversation: string) => Grammar,
    about: { session_id?: string | undefined; text: string; id?: string | undefined; bot?: string | undefined },
  ) {
    const conversation = await sessionOf(principal, about.session_id)
    const last = request.headers['last-event-id']
    const place = { tenant: principal.tenant.id, conversation, grammar: grammarOf(conversation) }
    // Whoever comes back with a cursor resumes and never begins a turn.
    if (typeof last === 'string' && last) {
      if (!(await desk.open(principal, conversation))) throw new Refusal('conversation.unknown')
      return stream(needs, request, reply, {
        ...place,
        after: readCursor(last),
        ...(about.id && { message: about.id }),
        begin: async () => undefined,
      })
    }
    const id = about.id ?? randomUUID()
    return stream(needs, request, reply, {
      ...place,
      message: id,
      begin: () => desk.accept(principal, { conversation, id, text: about.text, ...(about.bot && { bot: about.bot }) }),
    })
  }

  app.post(
    '/v1/chat',
    {
      schema: { body: chat, tags: ['chat'], summary: 'Send a message and take the whole answer, or with `stream` its words as they come' },
    },
    async (request, reply) => {
      const began = performance.now()
      const principal = await guard(request)
      const { body } = request
      if ('message' in body) {
        if (body.stream)
          return speak(request, reply, principal, short, { session_id: body.session_id, text: body.message, id: body.message_id })
        const conversation = await sessionOf(principal, body.session_id)
        const answer = await ask(principal, conversation, body.message, body.message_id ? { id: body.message_id } : {})
        return {
          session_id: conversation,
          message: answer.message.text,
          model: answer.model,
          tokens_used: answer.usage.in + answer.usage.out,
          response_time_ms: Math.round((performance.now() - began) * 10) / 10,
          timestamp: new Date(answer.message.at).toISOString(),
        }
      }
      // The conversation remembers by itself: of a repeated history only the last word is new.
      const text = body.messages.findLast(({ role }) => role === 'user')?.content
      if (text === undefined) throw new Refusal('text.missing')
      if (body.stream) return speak(request, reply, principal, long, { session_id: body.session_id, text, bot: body.bot_id })
      const conversation = await sessionOf(principal, body.session_id)
      const answer = await ask(principal, conversation, text, body.bot_id ? { bot: body.bot_id } : {})
      return {
        session_id: conversation,
        message: answer.message.text,
        citations: answer.message.citations ?? [],
        usage: { prompt: answer.usage.in, completion: answer.usage.out, total: answer.usage.in + answer.usage.out },
        metadata: { model: answer.model, agent: answer.message.agent, turn: answer.turn, ...body.metadata },
      }
    },
  )

  app.post(
    '/v1/chat/stream',
    { schema: { body: chatShort, tags: ['chat'], summary: 'Server-sent events: { session_id, delta, finished }; Last-Event-ID resumes' } },
    async (request, reply) => {
      const principal = await guard(request)
      const { session_id, message, message_id } = request.body
      return speak(request, reply, principal, short, { session_id, text: message, id: message_id })
    },
  )

  app.delete(
    '/v1/chat/session',
    { schema: { body: session, tags: ['chat'], summary: 'Clear the history of a session' } },
    async (request) => {
      const principal = await guard(request)
      const conversation = await sessionOf(principal, request.body.session_id)
      await desk.clear(principal, conversation)
      return { session_id: conversation, cleared: true }
    },
  )

  app.post(
    '/api/chat',
    { schema: { body: apiChat, tags: ['work'], summary: 'Have something done: the answer and its work order' } },
    async (request) => {
      const principal = await guard(request)
      const conversation = await sessionOf(principal, request.body.session_id)
      const answer = await ask(principal, conversation, request.body.content)
      return {
        answer: answer.message.text,
        content: answer.message.text,
        work_order_id: await promptly(findOrder(needs.db, principal.tenant.id, conversation, answer.turn)),
        session_id: conversation,
        agent: answer.message.agent,
        model: answer.model,
      }
    },
  )
}
