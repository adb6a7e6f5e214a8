/** What one socket may ask, and how it is answered. Knows no transport: whoever brings a name, a payload and a way to answer is served. */
import { Refusal } from '../../machines/refusal.ts'
import type { Database } from '../../sql/database.ts'
import type { Bus } from '../cluster/bus.ts'
import type { Stage } from '../cluster/stage.ts'
import type { Log } from '../watch/log.ts'
import { mayRead } from './auth.ts'
import type { Desk } from './desk.ts'
import { join } from './join.ts'
import type { Pages } from './pages.ts'
import type { Cursor, Joined, Refused } from './protocol.ts'
import { refusing } from './refusing.ts'
import type { Rooms } from './rooms.ts'
import { type ClientEventName, clientEvents } from './schema.ts'
import type { ChatSocket } from './socket.ts'

interface Needs {
  db: Database
  bus: Bus
  stage: Stage
  desk: Desk
  log: Log
  pages?: Pages
  /** Counts what was declined. */
  refused?(code: string): void
}

/** Conversations that one socket may listen to. */
const JOINED = 100

/** Takes every event of this socket: its name, its payload and, last, the acknowledgement. Never throws. */
export function attend(needs: Needs, rooms: Rooms, socket: ChatSocket): (name: string, ...given: unknown[]) => void {
  const events = handlers(needs, rooms, socket)
  return (name, ...given) => {
    const answer = given.at(-1)
    const acknowledge = typeof answer === 'function' ? (answer as (told: object) => void) : () => {}
    void dispatch(events, name, typeof given[0] === 'function' ? undefined : given[0], (told) => acknowledge({ ok: true, ...told })).catch(
      (error: unknown) => {
        const refusal = refusedBy(error, needs.log)
        needs.refused?.(refusal.code)
        acknowledge(refusal)
      },
    )
  }
}

/** Answers once; a join does so inside its own synchronous stretch. */
type Answer = (told: object) => void
type Handlers = { [N in ClientEventName]: (ask: never, answer: Answer) => Promise<void> | void }

async function dispatch(events: Handlers, name: string, payload: unknown, answer: Answer): Promise<void> {
  if (!Object.hasOwn(clientEvents, name)) throw new Refusal('event.unknown', { details: { event: name } })
  const known = name as ClientEventName
  const parsed = clientEvents[known].safeParse(payload)
  if (!parsed.success)
    throw new Refusal('request.malformed', { details: parsed.error.issues.map(({ path, message }) => ({ path: path.join('.'), message })) })
  await events[known](parsed.data as never, answer)
}

function handlers(needs: Needs, rooms: Rooms, socket: ChatSocket): Handlers {
  const { desk } = needs
  const { principal, bots } = socket.data
  return {
    'conversation.join': async (
      { conversation = crypto.randomUUID(), bot, after }: { conversation?: string; bot?: string; after?: Cursor },
      answer,
    ) => {
      const known = (await desk.ownerOf(principal, conversation)) !== undefined
      if (!known) rooms.reserve(principal, conversation)
      await join(needs, principal.tenant.id, conversation, after, (joined: Joined, owner) => {
        const { readers } = socket.data
        // Begun while we read, perhaps by somebody else.
        desk.check(principal, conversation)
        if (owner !== undefined && !mayRead(principal, owner)) throw new Refusal('conversation.unknown')
        if (readers.size >= JOINED && !readers.has(conversation)) throw new Refusal('mailbox.full', { details: { conversations: JOINED } })
        if (owner === undefined && bot) bots.set(conversation, bot)
        rooms.enter(socket, conversation)
        answer(joined)
      })
    },
    'conversation.leave': ({ conversation }: { conversation: string }, answer) => {
      rooms.leave(socket, conversation)
      bots.delete(conversation)
      answer({})
    },
    'message.send': async (message: { conversation: string; id: string; text: string }, answer) => {
      const bot = bots.get(message.conversation)
      answer(await desk.accept(principal, { ...message, ...(bot && { bot }) }))
    },
    'reply.stop': async ({ conversation }: { conversation: string }, answer) =>
      answer({ stopped: await desk.stop(principal, conversation) }),
    'reply.seen': ({ conversation, cursor }: { conversation: string; cursor: Cursor }, answer) => {
      socket.data.readers.get(conversation)?.seen(cursor.offset ?? 0)
      answer({})
    },
    'typing.started': ({ conversation }: { conversation: string }, answer) => {
      rooms.typing(socket, conversation, 'typing.started')
      answer({})
    },
    'typing.stopped': ({ conversation }: { conversation: string }, answer) => {
      rooms.typing(socket, conversation, 'typing.stopped')
      answer({})
    },
  }
}

export function refusedBy(error: unknown, log: Log): Refused {
  const { code, message, details, retryAfter } = refusing(error, log, { door: 'socket' })
  return { ok: false, code, message, ...(details !== undefined && { details }), ...(retryAfter !== undefined && { retryAfter }) }
}
