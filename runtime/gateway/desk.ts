/** What every door does for whoever is asking: check the right, keep the message, find the answer. No transport knows more. */
import { createHash } from 'node:crypto'
import type { Part } from '../../machines/message.ts'
import { type Policy, policyFor } from '../../machines/policy.ts'
import { Refusal, type RefusalCode } from '../../machines/refusal.ts'
import { type Conversation, findConversation, findMessage } from '../../sql/conversations.ts'
import type { Database } from '../../sql/database.ts'
import type { Engine } from '../host/engine.ts'
import { failpoint } from '../host/failpoint.ts'
import type { Birth } from '../host/row.ts'
import type { Step } from '../host/tree.ts'
import { type Principal, mayRead } from './auth.ts'

export interface Incoming {
  conversation: string
  id: string
  text: string
  parts?: Part[]
  channel?: string
  bot?: string
  /** Owns the conversation instead of the caller: a person whom a channel speaks for. */
  owner?: string
}

export interface Desk {
  /** The conversation, or undefined when nobody has begun it; refuses with `conversation.unknown` when it is somebody else's. */
  open(principal: Principal, conversation: string): Promise<Conversation | undefined>
  /** The same question, mostly answered without the store: whose it is. */
  ownerOf(principal: Principal, conversation: string): Promise<string | undefined>
  /** Resolves once the message is durable. */
  accept(principal: Principal, message: Incoming): Promise<{ id: string; seq: number; duplicate?: true }>
  /** Whether something was stopped. */
  stop(principal: Principal, conversation: string): Promise<boolean>
  clear(principal: Principal, conversation: string): Promise<void>
}

interface Needs {
  db: Database
  engine: Engine
  maxLength: number
  policy: Partial<Policy>
  isDraining(): boolean
  /** Hears of a conversation before its first word is told: whose it will be. */
  begins?(tenant: string, conversation: string, owner: string): void
}

/** Owners at hand; whose a conversation is never changes. */
const OWNERS = 10_000

export function createDesk({ db, engine, maxLength, policy, isDraining, begins = () => {} }: Needs): Desk {
  const { host } = engine

  async function open(principal: Principal, id: string): Promise<Conversation | undefined> {
    const found = await findConversation(db, principal.tenant.id, id)
    if (found === 'taken' || (found && !mayRead(principal, found.owner))) throw new Refusal('conversation.unknown')
    return found
  }

  const owners = new Map<string, string>()
  /** Questions to the store that are under way: who asks meanwhile waits for the same answer, and so does not overtake. */
  const asking = new Map<string, Promise<string | undefined>>()

  async function ownerOf(principal: Principal, id: string): Promise<string | undefined> {
    const key = `${principal.tenant.id}/${id}`
    const known = owners.get(key) ?? (await (asking.get(key) ?? ask(principal.tenant.id, key, id)))
    if (known !== undefined && !mayRead(principal, known)) throw new Refusal('conversation.unknown')
    return known
  }

  function ask(tenant: string, key: string, id: string): Promise<string | undefined> {
    const answer = lookUp(tenant, key, id).finally(() => asking.delete(key))
    asking.set(key, answer)
    return answer
  }

  async function lookUp(tenant: string, key: string, id: string): Promise<string | undefined> {
    const found = await findConversation(db, tenant, id)
    if (found === 'taken') throw new Refusal('conversation.unknown')
    if (!found) return undefined
    if (owners.size >= OWNERS) owners.delete(owners.keys().next().value as string)
    owners.set(key, found.owner)
    return found.owner
  }

  async function existing(principal: Principal, id: string): Promise<void> {
    if ((await ownerOf(principal, id)) === undefined) throw new Refusal('conversation.unknown')
  }

  return {
    open,
    ownerOf,
    async accept(principal, { conversation, id, text, parts, channel = 'web', bot, owner }) {
      if (isDraining()) throw new Refusal('server.draining', { retryAfter: 2 })
      checkText(text, (parts?.length ?? 0) > 0, maxLength)
      const tenant = principal.tenant.id
      // Ids of this form are the replies' own.
      if (id.startsWith(`${conversation}.`))
        throw new Refusal('request.malformed', { details: [{ path: 'id', message: 'is taken by the conversation itself' }] })
      const known = await ownerOf(principal, conversation)
      const birth: Birth | undefined = known
        ? undefined
        : {
            kind: 'conversation',
            owner: owner ?? principal.who,
            channel,
            ...(bot && { bot }),
            input: { conversation, policy: policyFor(channel, policy) },
          }
      if (birth) begins(tenant, conversation, birth.owner)
      const told = await host.tell({
        tenant,
        actor: conversation,
        dedup: `message:${id}`,
        envelope: { to: 'root', event: { type: 'message.received', message: { id, text, ...(parts?.length && { parts }) } } },
        ...(birth && { birth }),
      })
      failpoint('event.accepted')
      const before = async () => {
        const message = await findMessage(db, tenant, conversation, id)
        if (message && message.text !== text) throw new Refusal('message.conflict')
        return message && { id, seq: message.seq, duplicate: true as const }
      }
      if (told.duplicate) {
        const message = await before()
        if (message) return message
        throw new Refusal('step.failed') // its key is taken by something that was set aside
      }
      const answer = seqOf(told.step, id)
      if (typeof answer === 'number') return { id, seq: answer }
      // A repeated message that meets a busy conversation was accepted long ago.
      const message = await before()
      if (message) return message
      throw new Refusal(answer)
    },
    async stop(principal, conversation) {
      await existing(principal, conversation)
      const told = await host.tell({
        tenant: principal.tenant.id,
        actor: conversation,
        envelope: { to: 'root', event: { type: 'user.stopped' } },
      })
      return !told.duplicate && (told.step.cancels.length > 0 || told.step.disarms.length > 0)
    },
    async clear(principal, conversation) {
      await existing(principal, conversation)
      await host.tell({ tenant: principal.tenant.id, actor: conversation, envelope: { to: 'root', event: { type: 'history.cleared' } } })
    },
  }
}

/** The number that the message got, or why it was not taken. */
function seqOf({ emits }: Step, id: string): number | RefusalCode {
  for (const { seq, event } of emits) {
    if (event.type === 'message.accepted' && (event.message as { id: string }).id === id && seq) return seq
    if (event.type === 'message.refused' && event.id === id) return event.code as RefusalCode
  }
  return 'step.failed'
}

function checkText(text: string, hasParts: boolean, most: number) {
  if (!text.trim() && !hasParts) throw new Refusal('text.missing')
  // Half a surrogate pair and NUL are no Unicode text, and PostgreSQL would not keep them.
  if (!text.isWellFormed() || text.includes('\0')) throw new Refusal('text.malformed')
  if (text.length > most) throw new Refusal('text.too_long', { details: { length: text.length, most } })
}

/** The inner id of a thread that another system names in its own way. */
export function threadId(tenant: string, channel: string, thread: string): string {
  const hash = createHash('sha256').update(`${tenant}\n${channel}\n${thread}`).digest('hex')
  // The form of a UUID of version 8, which is free for such uses (RFC 9562).
  return `${hash.slice(0, 8)}-${hash.slice(8, 12)}-8${hash.slice(13, 16)}-a${hash.slice(17, 20)}-${hash.slice(20, 32)}`
}
