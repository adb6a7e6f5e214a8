/** What a reader of server-sent events has missed, as a feed that goes on where it was left. */
import type { Message, Usage } from '../../machines/message.ts'
import { Refusal } from '../../machines/refusal.ts'
import { readPage, readTurnOf } from '../../sql/conversations.ts'
import type { Database } from '../../sql/database.ts'
import type { Bus } from '../cluster/bus.ts'
import type { Stage } from '../cluster/stage.ts'
import { join } from './join.ts'
import { promptly } from './promptly.ts'
import type { Cursor, Delta } from './protocol.ts'

export interface Feed {
  name: string
  payload: {
    seq?: number
    turn?: string
    attempt?: number
    reason?: string
    messages?: string[]
    message?: Message | string
    code?: string
    usage?: Usage
    model?: string
  } & Partial<Delta>
}

interface Place {
  tenant: string
  conversation: string
  message?: string
}

interface Needs {
  db: Database
  bus: Bus
  stage: Stage
}

/** Events with which a turn is over. */
export const ends = new Set(['turn.finished', 'turn.failed', 'turn.stopped'])

/** What a reader with a cursor has missed, up to the moment in which `entered` is called. */
export async function replay(needs: Needs, { tenant, conversation, message }: Place, after: Cursor, entered: () => void): Promise<Feed[]> {
  const [at] = (await promptly(readPage(needs.db, tenant, conversation, { after: after.seq - 1, most: 1, messages: 0 })))?.events ?? []
  const told = (name: string, payload: Feed['payload']): Feed => ({ name, payload })
  const asked =
    after.turn ??
    (message ? ((await promptly(readTurnOf(needs.db, tenant, conversation, message)))[0]?.payload.turn as string | undefined) : undefined)
  // Its last line told the end already: it is told once more.
  if (at?.seq === after.seq && ends.has(at.name) && at.payload.turn === asked && asked !== undefined)
    return [told(at.name, { ...at.payload, seq: undefined } as Feed['payload'])]

  let feeds: Feed[] = []
  await join(needs, tenant, conversation, after, ({ missed, messages, live }) => {
    entered()
    if (missed) {
      feeds = missed.map(([name, payload]) => told(name, payload as Feed['payload']))
      return
    }
    // Too far back for a replay: what was heard is taken back, and the whole is said anew.
    const whole = messages.findLast(({ role, turn }) => role === 'assistant' && (!asked || turn === asked))
    const turn = asked ?? live?.turn ?? whole?.turn
    if (!turn) return
    const begun = [told('turn.started', { turn, messages: message ? [message] : [] })]
    const withdrawn = after.offset ? [told('reply.retracted', { turn, attempt: after.attempt ?? 0, reason: 'cursor.old' })] : []
    if (live?.turn === turn) feeds = [...begun, ...withdrawn, told('reply.delta', { ...live, offset: 0 })]
    else if (whole)
      feeds = [
        ...begun,
        ...withdrawn,
        told('reply.delta', { turn, attempt: 0, offset: 0, text: whole.text }),
        told('reply.finished', { turn, message: whole }),
        told('turn.finished', { turn }),
      ]
    else feeds = [...begun, told('turn.failed', { turn, code: 'answer.late', message: new Refusal('answer.late').message })]
  })
  return feeds
}
