/**
 * The verdict: what the clients were told, against what is stored, against what the model said. Pure, and asks the system nothing.
 * The names of the promises are those of the table that is printed.
 */
import type { Generation } from './double.ts'
import type { Talk } from './journal.ts'
import { type Lines, lines, readAgain, readLine } from './reading.ts'
import type { StoredMessage } from '../support/stored.ts'
import type { Stored, StoredCall, StoredEvent } from './stored.ts'

export const promises = {
  loss: 'every acknowledged message comes to an end that is told',
  once: 'one answer to a message',
  order: 'answers in the order of acceptance, events without a gap',
  bytes: 'what was heard is what is stored and what the model said, byte for byte, and attempts are never mixed',
  cost: 'at most one generation bought again by a crash and conversation, and the price of every answer once in the books',
  rest: 'no work is left in the end',
  fence: 'whoever does not own a conversation moves nothing in it',
  live: 'words again within the patience (15 s unless told) once everything is there again',
} as const

export type Kept = keyof typeof promises

export interface Violation {
  promise: Kept
  /** Empty where it concerns none in particular. */
  conversation: string
  what: string
}

export interface Evidence {
  talks: readonly Talk[]
  stored: Stored
  generations: readonly Generation[]
}

export interface Tally {
  /** Acknowledged messages by how they ended. */
  answered: number
  stopped: number
  failed: number
  replies: number
  /** Attempts that were withdrawn before their clients' eyes. */
  retracted: number
  generations: number
}

export const nothing: Tally = { answered: 0, stopped: 0, failed: 0, replies: 0, retracted: 0, generations: 0 }

export function judge({ talks, stored, generations }: Evidence): { violations: Violation[]; tally: Tally } {
  const violations: Violation[] = []
  const tally: Tally = { ...nothing, generations: generations.length }
  const eventsOf = byConversation(stored.events)
  const messagesOf = byConversation(stored.messages)
  const callsOf = byConversation(stored.calls)
  const byNumber = new Map(generations.map((one) => [one.number, one]))
  for (const talk of talks) {
    const blame = (promise: Kept, what: string) => void violations.push({ promise, conversation: talk.conversation, what })
    const events = eventsOf.get(talk.conversation) ?? []
    const messages = messagesOf.get(talk.conversation) ?? []
    const turns = turnsOf(events)
    lookAtNumbers(events, stored.conversations.find(({ id }) => id === talk.conversation)?.seq, blame)
    lookAtMessages(talk, messages, turns, blame, tally)
    lookAtOrder(turns, messages, blame)
    lookAtSending(talk, messages, blame)
    lookAtWords(messages, events, turns, byNumber, blame)
    lookAtBooks(messages, events, callsOf.get(talk.conversation) ?? [], byNumber, blame)
    if (talk.door === 'socket') lookAtHearing(talk, messages, turns, blame)
    else lookAtLines(talk, messages, turns, blame)
    tally.replies += messages.filter(({ role }) => role === 'assistant').length
    tally.retracted += events.filter(({ name }) => name === 'reply.retracted').length
  }
  lookAtCost(generations, violations)
  for (const [table, rows] of Object.entries(stored.left))
    if (rows > 0) violations.push({ promise: 'rest', conversation: '', what: `${rows} rows are left in ${table}` })
  return { violations, tally }
}

function byConversation<T extends { conversation: string }>(rows: readonly T[]): Map<string, T[]> {
  const found = new Map<string, T[]>()
  for (const row of rows) {
    const others = found.get(row.conversation)
    if (others) others.push(row)
    else found.set(row.conversation, [row])
  }
  return found
}

type Blame = (promise: Kept, what: string) => void

interface Turn {
  name: string
  /** The messages that it answers. */
  of: string[]
  ends: string[]
  /** The numbers of its first and last event. */
  first: number
  last: number
}

/** In the order in which they began. */
function turnsOf(events: readonly StoredEvent[]): Turn[] {
  const turns = new Map<string, Turn>()
  for (const { name, seq, payload } of events) {
    if (payload.turn === undefined) continue
    let turn = turns.get(payload.turn)
    if (!turn) turns.set(payload.turn, (turn = { name: payload.turn, of: [], ends: [], first: seq, last: seq }))
    turn.last = seq
    if (name === 'turn.started' || name === 'turn.widened') turn.of.push(...(payload.messages ?? []))
    if (name === 'turn.finished' || name === 'turn.failed' || name === 'turn.stopped') turn.ends.push(name)
  }
  return [...turns.values()]
}

function lookAtNumbers(events: readonly StoredEvent[], last: number | undefined, blame: Blame) {
  for (const [at, { seq, name }] of events.entries())
    if (seq !== at + 1) return blame('order', `${name} is stored as ${seq} in place ${at + 1}`)
  if (last !== undefined && last !== events.length) blame('order', `the conversation says ${last} and has ${events.length} events`)
}

function lookAtMessages(talk: Talk, messages: readonly StoredMessage[], turns: readonly Turn[], blame: Blame, tally: Tally) {
  const sent = new Map<string, string>()
  const accepted = new Map<string, number | undefined>()
  const refused = new Map<string, string>()
  for (const entry of talk.entries) {
    if (entry.t === 'sent') sent.set(entry.id, entry.text)
    if (entry.t === 'refused') refused.set(entry.id, entry.code)
    if (entry.t !== 'accepted') continue
    const before = accepted.get(entry.id)
    if (before !== undefined && entry.seq !== undefined && before !== entry.seq)
      blame('once', `message ${entry.id} was accepted as ${before} and as ${entry.seq}`)
    accepted.set(entry.id, entry.seq ?? before)
  }
  const kept = messages.filter(({ role }) => role === 'user')
  for (const { id, text } of kept) {
    if (!sent.has(id)) blame('once', `message ${id} is stored and was never sent`)
    else if (sent.get(id) !== text) blame('bytes', `message ${id} is stored with another text`)
  }
  for (const [id, seq] of accepted) {
    const found = kept.filter((message) => message.id === id)
    if (found.length === 0) blame('loss', `message ${id} was acknowledged and is not stored`)
    if (seq !== undefined && found[0] && found[0].seq !== seq)
      blame('order', `message ${id} was acknowledged as ${seq} and is ${found[0].seq}`)
  }
  for (const { id } of kept) {
    const mine = turns.filter(({ of }) => of.includes(id))
    const ends = mine.flatMap(({ ends }) => ends)
    if (mine.length > 1 || ends.length > 1 || mine[0]?.of.filter((one) => one === id).length === 2)
      blame('once', `message ${id} has ${mine.length} turns and ${ends.length} ends`)
    if (ends.length === 0) blame('loss', `message ${id} has come to no end`)
    if (ends[0] === 'turn.finished') tally.answered++
    if (ends[0] === 'turn.stopped') tally.stopped++
    if (ends[0] === 'turn.failed') tally.failed++
  }
  for (const [id, code] of refused)
    if (code === 'step.failed' || code === 'internal.error') blame('loss', `message ${id} was refused with ${code}`)
}

function lookAtOrder(turns: readonly Turn[], messages: readonly StoredMessage[], blame: Blame) {
  const place = new Map(messages.map(({ id, seq }) => [id, seq]))
  let before: Turn | undefined
  let highest = 0
  for (const turn of turns) {
    if (before && turn.first < before.last) blame('order', `${turn.name} began before ${before.name} was over`)
    for (const id of turn.of) {
      const seq = place.get(id) ?? 0
      if (seq < highest) blame('order', `${turn.name} answers ${id}, which came before one that was answered earlier`)
      highest = Math.max(highest, seq)
    }
    before = turn
  }
}

/** What went out one after the other over one connection, and did not have to be sent again, is accepted in that order. */
function lookAtSending({ entries, door }: Talk, messages: readonly StoredMessage[], blame: Blame) {
  if (door !== 'socket') return
  const place = new Map(messages.map(({ id, seq }) => [id, seq]))
  const refused = new Set(entries.flatMap((entry) => (entry.t === 'refused' ? entry.id : [])))
  let connection: string[] = []
  const look = () => {
    const seqs = connection.flatMap((id) => place.get(id) ?? [])
    for (const [at, seq] of seqs.entries())
      if (at > 0 && seq < (seqs[at - 1] as number))
        blame('order', `the message with number ${seq} was sent after the one with ${seqs[at - 1]}`)
    connection = []
  }
  for (const entry of entries) {
    if (entry.t === 'lost') look()
    // The first time that it went out is the one that counts, unless the connection was lost under it.
    else if (entry.t === 'sent' && entry.tries === 1 && !refused.has(entry.id)) connection.push(entry.id)
  }
  look()
}

/** Every answer is one generation, whole or, where it was stopped, its beginning. */
function lookAtWords(
  messages: readonly StoredMessage[],
  events: readonly StoredEvent[],
  turns: readonly Turn[],
  byNumber: ReadonlyMap<number, Generation>,
  blame: Blame,
) {
  const partial = new Set(events.filter(({ payload }) => 'partial' in payload).map(({ payload }) => payload.turn))
  for (const turn of turns) {
    const replies = messages.filter(({ role, turn: of }) => role === 'assistant' && of === turn.name)
    if (replies.length > 1) blame('once', `${turn.name} has ${replies.length} answers`)
    if (turn.ends[0] === 'turn.finished' && replies.length === 0) blame('loss', `${turn.name} is finished and has no answer`)
    for (const { text } of replies) {
      const words = [...text.matchAll(/g(\d+)w(\d+)/g)].map(([, number, at]) => [Number(number), Number(at)] as const)
      const generation = byNumber.get(words[0]?.[0] ?? -1)
      if (words.some(([number, at], place) => number !== generation?.number || at !== place))
        blame('bytes', `the answer of ${turn.name} mixes generations or leaves out words`)
      if (!generation) {
        blame('bytes', `the answer of ${turn.name} was said by nobody`)
        continue
      }
      if (!turn.of.includes(generation.ref)) blame('bytes', `${turn.name} has the answer to a message of another turn`)
      if (partial.has(turn.name) ? !generation.text.startsWith(text) : generation.text !== text)
        blame('bytes', `the answer of ${turn.name} is not what the model said`)
    }
  }
}

/** What the model billed for an answer that was delivered whole stands in the books, once. */
function lookAtBooks(
  messages: readonly StoredMessage[],
  events: readonly StoredEvent[],
  calls: readonly StoredCall[],
  byNumber: ReadonlyMap<number, Generation>,
  blame: Blame,
) {
  const partial = new Set(events.filter(({ payload }) => 'partial' in payload).map(({ payload }) => payload.turn))
  for (const { role, turn, text } of messages) {
    const generation = byNumber.get(Number(/g(\d+)w/.exec(text)?.[1]))
    if (role !== 'assistant' || turn === null || partial.has(turn) || !generation || generation.fault !== undefined) continue
    const booked = calls.filter((call) => call.turn === turn && writers.has(call.agent) && call.tokens === generation.tokens)
    if (booked.length !== 1)
      blame('cost', `the ${generation.tokens} tokens of the answer of ${turn} stand ${booked.length} times in the books`)
  }
}

const writers = new Set(['intern', 'director', 'ceo'])

function lookAtHearing(talk: Talk, messages: readonly StoredMessage[], turns: readonly Turn[], blame: Blame) {
  const so = readAgain(talk.entries)
  for (const fault of so.faults) blame(/comes (again )?after/.test(fault) ? 'order' : 'bytes', fault)
  const heard = new Map(so.replies.map((reply) => [reply.id, reply]))
  for (const { id, role, text, turn } of messages) {
    if (role !== 'assistant') continue
    if (!heard.has(id)) blame('loss', `the answer of ${turn} was never heard whole`)
    else if (heard.get(id)?.text !== text) blame('bytes', `the answer of ${turn} was heard with other words than are stored`)
    heard.delete(id)
  }
  for (const [id] of heard) blame('bytes', `the answer ${id} was heard and is not stored`)
  for (const { name, ends } of turns) if (ends[0] && !so.ends.has(name)) blame('live', `the end of ${name} was never heard`)
}

function lookAtLines(talk: Talk, messages: readonly StoredMessage[], turns: readonly Turn[], blame: Blame) {
  const heard = new Map<string, Lines>()
  for (const entry of talk.entries) {
    if (entry.t !== 'line') continue
    const so = heard.get(entry.message) ?? lines()
    readLine(so, entry)
    heard.set(entry.message, so)
  }
  for (const [id, so] of heard) {
    for (const fault of so.faults) blame('bytes', fault)
    const turn = turns.find(({ of }) => of.includes(id))
    const reply = messages.find((message) => message.role === 'assistant' && message.turn === turn?.name)
    if (!so.over) blame('live', `the end of the answer to ${id} was never heard`)
    else if (so.text !== (reply?.text ?? '')) blame('bytes', `the answer to ${id} was heard with other words than are stored`)
  }
}

/** One life of the server asks once for a message; whoever is spoiled by the double itself may be asked for again. */
function lookAtCost(generations: readonly Generation[], violations: Violation[]) {
  const bought = new Map<string, number>()
  for (const { ref, life, fault } of generations) {
    if (fault !== undefined) continue
    const key = `${ref} by life ${life}`
    bought.set(key, (bought.get(key) ?? 0) + 1)
  }
  for (const [key, times] of bought)
    if (times > 1) violations.push({ promise: 'cost', conversation: '', what: `the answer to ${key} was bought ${times} times` })
}
