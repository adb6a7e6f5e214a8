/** What every door does for whoever is asking: check the right, keep the message, find the answer. No transport knows more. */
import { createHash } from 'node:crypto'
import type { Part } from '../../machines/message.ts'
import { type Policy, policyFor } from '../../machines/policy.ts'
import { Refusal, type RefusalCode } from '../../machines/refusal.ts'
import { type FoundConversation, findConversation, findMessage } from '../../sql/conversations.ts'
import type { Database } from '../../sql/database.ts'
import type { Engine } from '../host/engine.ts'
import { failpoint } from '../host/failpoint.ts'
import type { Effect } from '../host/host.ts'
import type { Birth } from '../host/row.ts'
import { type Principal, mayRead } from './auth.ts'
import { createOwners } from './owners.ts'
import { promptly } from './promptly.ts'

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

/** Refuses with `store.unavailable` where the store does not answer in time. */
export interface Desk {
  /** The conversation, or undefined when nobody has begun it; refuses with `conversation.unknown` when it is somebody else's. */
  open(principal: Principal, conversation: string): Promise<FoundConversation | undefined>
  /** The same question, mostly answered without the store: whose it is. */
  ownerOf(principal: Principal, conversation: string): Promise<string | undefined>
  /** Refuses likewise, by what is known here and now. */
  check(principal: Principal, conversation: string): void
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
  /** Milliseconds for which the store is waited for. */
  patience?: number
}

export function createDesk({ db, engine, maxLength, policy, isDraining, begins = () => {}, patience }: Needs): Desk {
  const { host } = engine

  async function open(principal: Principal, id: string): Promise<FoundConversation | undefined> {
    const found = await findConversation(db, principal.tenant.id, id)
    if (found === 'taken' || (found && !mayRead(principal, found.owner))) throw new Refusal('conversation.unknown')
    return found
  }

  const owners = createOwners(db)

  async function existing(principal: Principal, id: string): Promise<void> {
    if ((await owners.of(principal, id)) === undefined) throw new Refusal('conversation.unknown')
  }

  const desk: Desk = {
    open,
    ownerOf: owners.of,
    check: owners.check,
    async accept(principal, { conversation, id, text, parts, channel = 'web', bot, owner }) {
      if (isDraining()) throw new Refusal('server.draining', { retryAfter: 2 })
      checkText(text, (parts?.length ?? 0) > 0, maxLength)
      const tenant = principal.tenant.id
      // Ids of this form are the replies' own.
      if (id.startsWith(`${conversation}.`))
        throw new Refusal('request.malformed', { details: [{ path: 'id', message: 'is taken by the conversation itself' }] })
      const claim = await owners.claim(principal, conversation, owner ?? principal.who)
      const birth: Birth | undefined =
        claim.owner === undefined
          ? undefined
          : {
              kind: 'conversation',
              owner: claim.owner,
              channel,
              ...(bot && { bot }),
              input: { conversation, policy: policyFor(channel, policy) },
            }
      if (birth) begins(tenant, conversation, birth.owner)
      const told = await host
        .tell({
          tenant,
          actor: conversation,
          dedup: `message:${id}`,
          envelope: { to: 'root', event: { type: 'message.received', message: { id, text, ...(parts?.length && { parts }) } } },
          ...(birth && { birth }),
        })
        .catch((error: unknown) => {
          claim.over(false)
          throw error
        })
      // A duplicate that is no message has its key from something that was set aside.
      const answer = told.duplicate ? 'step.failed' : seqOf(told.step, id)
      // A first message that was refused has begun nothing.
      claim.over(told.duplicate || typeof answer === 'number')
      failpoint('event.accepted')
      if (typeof answer === 'number') return { id, seq: answer }
      // Accepted long ago, and repeated; perhaps to a conversation that is busy now.
      const message = await findMessage(db, tenant, conversation, id)
      if (!message) throw new Refusal(answer)
      if (message.text !== text) throw new Refusal('message.conflict')
      return { id, seq: message.seq, duplicate: true }
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
  return {
    open: (...asked) => promptly(desk.open(...asked), patience),
    ownerOf: (...asked) => promptly(desk.ownerOf(...asked), patience),
    check: desk.check,
    accept: (...asked) => promptly(desk.accept(...asked), patience),
    stop: (...asked) => promptly(desk.stop(...asked), patience),
    clear: (...asked) => promptly(desk.clear(...asked), patience),
  }
}

/** The number that the message got, or why it was not taken. */
function seqOf({ emits }: Effect, id: string): number | RefusalCode {
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
