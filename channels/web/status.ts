/** Who does what right now, and who did it, as sentences for people. */
import type { Message } from '../../runtime/gateway/protocol.ts'
import type { Transcript, Turn } from './transcript.ts'

const names: Record<string, string> = { admin: 'Admin', intern: 'Intern', director: 'Director', ceo: 'CEO', qa: 'QA' }

/** An agent or tier by the name on its door. */
export const nameOf = (agent: string): string => names[agent] ?? agent

/** What an agent usually does, for a status that is a bare agent without a verb. */
const usual: Record<string, string> = { admin: 'sorting', qa: 'checking' }

/** "Director is writing…", or undefined when nobody works. */
export function statusOf({ current, turns, reply, typing, attention }: Transcript): string | undefined {
  if (typing) return `${typing} is typing…`
  const turn = current === undefined ? undefined : turns[current]
  if (!turn) return reply ? 'Writing…' : undefined
  if (attention === 'human' && !reply) return undefined
  if (!turn.agent) return reply ? 'Writing…' : 'Reading…'
  const doing = (turn.status ?? usual[turn.agent] ?? 'writing').replace(/[.…]+$/, '')
  const tool = turn.tool ? ` with ${turn.tool}` : ''
  return `${nameOf(turn.agent)} is ${doing}${tool}…`
}

/** "answered by Director, 3.2 s": from the moment the question was accepted, by the server's clock. */
export function answeredBy(t: Transcript, message: Message): string | undefined {
  if (message.role !== 'assistant') return undefined
  const took = tookOf(t, message)
  if (message.turn && t.turns[message.turn]?.partial)
    return `${message.agent ? nameOf(message.agent) : 'Assistant'} was stopped${took ? ` after ${took}` : ''}`
  const who = message.agent ? `answered by ${nameOf(message.agent)}` : 'answered'
  return took === undefined ? who : `${who}, ${took}`
}

function tookOf({ messages, turns }: Transcript, answer: Message): string | undefined {
  const asked = answer.turn ? (turns[answer.turn]?.messages ?? []) : []
  const question = messages.findLast((m) => m.seq < answer.seq && (asked.length > 0 ? asked.includes(m.id) : m.role === 'user'))
  return question && answer.at >= question.at ? lasting(answer.at - question.at) : undefined
}

const lasting = (ms: number): string =>
  ms < 60_000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`

/** What the reader should know about how an answer came to be: climbed, started over, stopped. */
export function remarksOf(turn: Turn | undefined): string[] {
  if (!turn) return []
  const remarks: string[] = []
  if (turn.climbed) remarks.push(`passed from ${nameOf(turn.climbed.from)} to ${nameOf(turn.climbed.to)}: ${turn.climbed.reason}`)
  else if (turn.retracted) remarks.push(`started over: ${turn.retracted}`)
  if (turn.saved) remarks.push(`${turn.saved.toLocaleString('en')} tokens of history saved`)
  return remarks
}
