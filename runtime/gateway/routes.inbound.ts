/** The canonical message: how a channel that is not ours hands on what somebody wrote, and takes the answer. */
import { Refusal } from '../../machines/refusal.ts'
import type { Database } from '../../sql/database.ts'
import type { Bus } from '../cluster/bus.ts'
import type { Stage } from '../cluster/stage.ts'
import { followMessage } from './answer.ts'
import { seesAll } from './auth.ts'
import { type Desk, threadId } from './desk.ts'
import type { App, Guarded } from './http.ts'
import { inbound } from './schema.ts'

interface Needs {
  db: Database
  bus: Bus
  stage: Stage
  desk: Desk
  guard: Guarded
  answerTimeout: number
}

export function inboundRoutes(app: App, needs: Needs) {
  const { desk, guard, answerTimeout } = needs
  app.post(
    '/messages/inbound',
    { schema: { body: inbound, tags: ['channels'], summary: 'One message from any channel; the same id twice answers the first result' } },
    async (request) => {
      const principal = await guard(request)
      const { tenant, role } = principal
      // It speaks in other people's names, which only a system of the tenant may do.
      if (role === 'visitor') throw new Refusal('role.refused')
      const { id, tenant_id, conversation_id, channel, from, to, content } = request.body
      if (tenant_id !== undefined && tenant_id !== tenant.id && tenant_id !== tenant.name) throw new Refusal('tenant.refused')
      const conversation = threadId(tenant.id, channel, conversation_id)
      const following = await followMessage(needs, tenant.id, conversation, id)
      try {
        // Whoever sees all speaks for the person; anybody else owns the threads that they begin, or could not go on with them.
        const owner = seesAll(principal) ? `${channel}:${from.external_id}` : principal.who
        const bot = to && { bot: to.external_id }
        const accepted = await desk.accept(principal, { conversation, id, text: content.text, channel, owner, ...bot })
        const { message, turn, model } = await following.answer(answerTimeout, accepted)
        return {
          id: message.id,
          tenant_id: tenant.id,
          conversation_id,
          channel,
          direction: 'outbound',
          from: to ?? { type: 'bot', external_id: 'nexus' },
          to: from,
          content: { type: 'text', text: message.text },
          metadata: {
            in_reply_to: id,
            turn,
            agent: message.agent,
            model,
            session_id: conversation,
            ...(message.citations && { citations: message.citations }),
          },
          timestamp: new Date(message.at).toISOString(),
        }
      } finally {
        following.end()
      }
    },
  )
}
