/** Follows one message to the end of its turn: for callers who want an answer and not a feed. */
import type { Message, Usage } from '../../machines/message.ts'
import { Refusal } from '../../machines/refusal.ts'
import { readTurnOf } from '../../sql/conversations.ts'
import type { Database } from '../../sql/database.ts'
import { within } from '../../sql/within.ts'
import { type Bus, roomOf } from '../cluster/bus.ts'
import type { Stage } from '../cluster/stage.ts'
import { promptly } from './promptly.ts'

export interface Answer {
  turn: string
  message: Message
  usage: Usage
  model: string
}

export interface Following {
  /** Resolves with the answer; refuses with `answer.failed` or, after so many milliseconds, with `answer.late`.
   *  A message that was accepted before may have its answer already; that is looked up. */
  answer(ms: number, accepted: { duplicate?: true }): Promise<Answer>
  end(): void
}

interface TurnEvent {
  turn?: string
  messages?: string[]
  message?: Message | string
  usage?: Usage
  model?: string
  code?: string
}

interface Needs {
  db: Database
  bus: Bus
  stage: Pick<Stage, 'joined' | 'stands'>
}

/** Resolves once it listens: nothing is missed between the acceptance of a message and the wait for its answer. */
export async function followMessage({ db, bus, stage }: Needs, tenant: string, conversation: string, message: string): Promise<Following> {
  const state: { turn?: string; reply?: TurnEvent; over?: { error?: Refusal } } = {}
  let settle = () => {}
  const settled = new Promise<void>((resolve) => {
    settle = resolve
  })

  function take(name: string, event: TurnEvent) {
    // A turn takes a message up at its start, or later where rapid messages are merged.
    if ((name === 'turn.started' || name === 'turn.widened') && event.messages?.includes(message)) state.turn = event.turn as string
    if (!state.turn || event.turn !== state.turn || state.over) return
    if (name === 'reply.finished') state.reply = event
    else if (name === 'turn.failed')
      state.over = {
        error: new Refusal(event.code === 'quota.spent' ? 'quota.spent' : 'answer.failed', {
          details: { code: event.code, message: event.message },
        }),
      }
    else if (name === 'turn.finished' || name === 'turn.stopped') state.over = {}
    if (state.over) settle()
  }

  // While the past is being read nothing new is taken: it would be of a turn that is not known yet.
  let held: [name: string, event: TurnEvent][] | undefined = []
  const leave = bus.watch(roomOf(tenant, conversation), ({ name, payload }) => {
    if (held) held.push([name, payload as TurnEvent])
    else take(name, payload as TurnEvent)
  })
  await stage.joined(tenant, conversation)
  await promptly(stage.stands(tenant, conversation)).catch((error: unknown) => {
    leave()
    throw error
  })
  return {
    end: leave,
    async answer(ms, { duplicate }) {
      if (duplicate)
        for (const { name, payload } of await promptly(readTurnOf(db, tenant, conversation, message))) take(name, payload as TurnEvent)
      for (const [name, event] of held ?? []) take(name, event)
      held = undefined
      await within(ms, settled, () => {})
      leave()
      if (!state.over) throw new Refusal('answer.late', { details: { session_id: conversation } })
      if (state.over.error) throw state.over.error
      const { turn, reply } = state
      if (!turn || typeof reply?.message !== 'object') throw new Refusal('answer.failed', { details: { code: 'user.stopped' } })
      return { turn, message: reply.message, usage: reply.usage ?? { in: 0, out: 0 }, model: reply.model ?? reply.message.agent ?? 'none' }
    },
  }
}
