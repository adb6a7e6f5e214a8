/** The load tester among the crowd: a second witness, written apart from the first, with rules of its own for what a client may hear. */
import { startLoad } from '../load/load.ts'
import { type Counts, type Fault, faults, keysOf } from '../load/tally.ts'
import { TAIL } from './crowd.ts'
import type { Journal, Talk } from './journal.ts'
import { question } from './talker.ts'
import type { Kept, Violation } from './verdict.ts'

export interface Tester {
  /** Says nothing more. Resolves, once everything has come to its end, with what must not have been. */
  rest(): Promise<Violation[]>
  /** Ends it as it is. */
  close(): Promise<unknown>
}

interface Needs {
  urls: readonly string[]
  seed: number
  journal: Pick<Journal, 'begin' | 'keep'>
}

/** Sockets, each with one conversation, and messages a second of all of them: enough to be in every fault, too few to be the load. */
const SOCKETS = 6
const RATE = 1
/** Seconds; longer than any run. */
const WITHOUT_END = 7 * 24 * 3_600

const shares = ['chat', 'stop', 'burst'].map((scenario) => ({ scenario, weight: 1 }))

const promiseOf: Record<Fault, Kept> = {
  gaps: 'order',
  reorderings: 'order',
  duplicates: 'once',
  doubled: 'once',
  differing: 'bytes',
  lost: 'loss',
  lostAcknowledgements: 'loss',
  unstopped: 'live',
  down: 'live',
}

export function openTester({ urls, seed, journal }: Needs): Tester {
  const talks = new Map<string, Talk>()
  const talkOf = (conversation: string) => {
    const talk = talks.get(conversation) ?? Object.assign(journal.begin(conversation), { isPatient: true } as const)
    talks.set(conversation, talk)
    return talk
  }
  const load = startLoad({
    urls,
    sockets: SOCKETS,
    rate: RATE,
    duration: WITHOUT_END,
    tail: TAIL / 1_000,
    shares,
    seed,
    textOf: question,
    onEntry: (conversation, entry) => journal.keep(talkOf(conversation), entry),
  })
  return {
    async rest() {
      load.stop()
      const { counts, complaints } = await load.done
      return keysOf(faults).flatMap((fault) => {
        const first = complaints.find((one) => one.fault === fault)
        return counts[fault] === 0 ? [] : [{ promise: promiseOf[fault], ...sentence(fault, counts, first) }]
      })
    },
    close() {
      load.stop()
      load.stop()
      return load.done
    },
  }
}

const sentence = (fault: Fault, counts: Counts, first?: { conversation: string; what: string }) => ({
  conversation: first?.conversation ?? '',
  what: `the load tester counts ${counts[fault]} ${faults[fault]}${first ? `, first: ${first.what}` : ''}`,
})
