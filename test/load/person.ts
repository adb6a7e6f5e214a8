/** One socket and its conversation: says something when told to, hears, and comes back with its cursor. */
import type { Joined } from '../../runtime/gateway/protocol.ts'
import { type Entry as Noted, type Frame, type Payload, now } from '../chaos/journal.ts'
import { type LineNeeds, openLine } from './line.ts'
import { type Chance, createManners } from './manners.ts'
import { AGAIN, type Refusal, type Told, againAfter, createOutbox } from './outbox.ts'
import type { Scenario } from './scenarios.ts'
import type { Tally } from './tally.ts'
import { createWitness } from './witness.ts'

/** Hears of everything that is said and heard, in the form that the chaos tests judge by. */
export type Keep = (conversation: string, entry: Noted) => void

export interface PersonNeeds extends Pick<LineNeeds, 'urls' | 'first' | 'token' | 'from'> {
  scenario: Scenario
  tally: Tally
  chance: Chance
  /** What a message says. */
  text(id: string): string
  keep?: Keep | undefined
}

export interface Person {
  scenario: Scenario
  conversation: string
  /** `intended`: from when on it counts. */
  dial(intended: number): void
  say(intended: number): void
  cut(): void
  isJoined(): boolean
  /** Waits for nothing that it has said. */
  isFree(): boolean
  close(early: boolean): void
}

/** Milliseconds for the answer to a join. */
const PATIENCE = 10_000

export function createPerson({ scenario, tally, chance, text, keep: keepOf, ...where }: PersonNeeds): Person {
  const conversation = crypto.randomUUID()
  const witness = createWitness(conversation, tally)
  const { ledger } = witness
  const keep = (entry: Noted) => keepOf?.(conversation, entry)
  let dialed: number | undefined
  let hasConnected = false
  let hasJoined = false
  let joined = false
  let closed = false
  /** Counts joins: what was begun before the last one is not looked at. */
  let life = 0
  let lostAt: number | undefined
  /** Since when words of a reply that was cut off are waited for. */
  let silentSince: number | undefined
  let joinDue: NodeJS.Timeout | undefined

  const line = openLine({ ...where, chance, up, down, failed: () => tally.count('unreachable'), heard })
  const outbox = createOutbox({ conversation, ledger, tally, ask: line.ask, keep, later })
  const manners = createManners({ conversation, scenario, chance, witness, line, tally, keep })

  function later(ms: number, then: () => void) {
    const mine = life
    setTimeout(() => mine === life && !closed && then(), ms * (0.5 + chance.next())).unref()
  }

  function up() {
    if (!hasConnected && dialed !== undefined) tally.measure('connect', now() - dialed)
    hasConnected = true
    join()
  }

  function down(why: string) {
    const at = now()
    keep({ t: 'lost', at, why })
    tally.count('drops')
    lostAt ??= at
    if (witness.speaking() !== undefined) silentSince ??= at
    outbox.lost()
    lapse('lost')
  }

  function lapse(connection: 'lost' | 'kept') {
    life++
    joined = false
    clearTimeout(joinDue)
    witness.lapse(connection)
  }

  /** `anew`, without a cursor, where the server cannot go on from ours. */
  function join(anew = false) {
    const mine = ++life
    const asked = now()
    const after = hasJoined && !anew ? witness.cursor() : undefined
    joinDue = setTimeout(line.cut, PATIENCE)
    // Taken in the callback: after an `await` the events right behind the answer would come first.
    line.ask('conversation.join', { conversation, ...(after && { after }) }, (answer: Told<Joined>) => {
      if (mine !== life || closed) return
      clearTimeout(joinDue)
      const at = now()
      if (!answer.ok) return turnedAway(answer)
      const { seq, missed, live, messages } = answer
      const brought = missed ? { missed: missed as Frame[] } : { live, messages }
      keep({ t: 'joined', at, after: after ?? { seq: 0 }, seq, ...brought })
      tally.measure('join', at - asked)
      enter(answer, at)
    })
  }

  function enter(answer: Joined, at: number) {
    if (lostAt !== undefined) {
      tally.count('reconnects')
      tally.measure('resume', at - lostAt)
      lostAt = undefined
    }
    const { turn } = witness.join(answer, at)
    if (turn !== undefined) progress(turn, at)
    if (witness.isBehind()) return later(AGAIN, () => join(true))
    if (!answer.missed && witness.speaking() === undefined) silentSince = undefined // how it went on is not told
    joined = hasJoined = true
    line.settled()
    outbox.sendAll()
  }

  function turnedAway(refusal: Refusal) {
    tally.refuse(refusal.code)
    // What was told to us is gone from the server. What it has now is all there is, and the witness sees the difference.
    const isGone = refusal.code === 'cursor.ahead'
    later(isGone ? 0 : againAfter(refusal), () => join(isGone))
  }

  function heard(name: string, payload: Payload) {
    if (payload?.conversation !== conversation) return
    const at = now()
    const frame: Frame = [name, payload]
    keep({ t: 'heard', at, frame })
    const isLagging = name === 'conversation.lagged'
    if (isLagging) tally.count('lagged')
    const { turn, sincePrevious } = isLagging ? {} : witness.hear(frame, at)
    if (isLagging || (joined && witness.isBehind())) {
      lapse('kept')
      return join()
    }
    if (sincePrevious !== undefined && !manners.isStalled(at)) tally.measure('frameGap', sincePrevious)
    if (turn === undefined) return
    progress(turn, at)
    if (name === 'reply.delta') manners.words(turn)
  }

  /** Words were said, or a reply has ended. */
  function progress(turn: string, at: number) {
    if (silentSince !== undefined) tally.measure('resumeToken', at - silentSince)
    silentSince = undefined
    manners.news(turn, at)
  }

  return {
    scenario,
    conversation,
    dial(intended) {
      dialed = intended
      line.dial()
    },
    say(intended) {
      const id = crypto.randomUUID()
      ledger.sent(id, text(id), intended)
      if (!joined) return // it goes out with the next join
      tally.measure('late', Math.max(0, now() - intended))
      outbox.sendAll()
    },
    cut: line.cut,
    isJoined: () => joined,
    isFree: () => ledger.waiting() === 0,
    close(early) {
      if (closed) return
      closed = true
      clearTimeout(joinDue)
      if (dialed !== undefined && !joined && !early)
        tally.fault('down', conversation, hasJoined ? 'joined before, and not again' : 'never joined')
      witness.close(early)
      line.close()
    },
  }
}
