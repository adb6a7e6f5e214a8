/** What one process counts and measures; the parts of several add up to a whole. */
import { type Encoded, type Histogram, createHistogram } from './histogram.ts'

/** Everything in milliseconds. What a message has to wait for counts from the moment at which it was to be sent. */
export const measures = {
  connect: 'connect',
  join: 'join',
  acknowledgement: 'acknowledgement',
  firstToken: 'first token',
  frameGap: 'gap between frames',
  resume: 'resume, to the answer',
  resumeToken: 'resume, to the next token',
  stop: 'stop, to the end',
  endToEnd: 'end to end',
  late: 'our own delay',
} as const

/** What must not happen; each one counts against the server. */
export const faults = {
  gaps: 'gaps',
  duplicates: 'duplicates',
  reorderings: 'reorderings',
  differing: 'differing texts',
  doubled: 'answered twice',
  lost: 'lost messages',
  lostAcknowledgements: 'lost acknowledgements',
  unstopped: 'stops without effect',
  down: 'sockets not joined at the end',
} as const

const others = {
  sent: 'sent',
  acknowledged: 'acknowledged',
  answered: 'answered',
  failed: 'failed',
  stopped: 'stopped',
  refused: 'refused',
  unfinished: 'without a verdict',
  frames: 'frames of replies',
  retracted: 'retracted',
  drops: 'connections lost',
  reconnects: 'reconnects',
  unreachable: 'connects that failed',
  lagged: 'told to join again',
  resent: 'sent again',
} as const

export const counted = { ...others, ...faults }

export type Measure = keyof typeof measures
export type Fault = keyof typeof faults
export type Counted = keyof typeof counted
export type Counts = Record<Counted, number>

export interface Complaint {
  fault: Fault
  conversation: string
  what: string
}

/** Plain JSON, so that it crosses a process boundary and fits in a report. */
export interface Part {
  counts: Counts
  /** Refusals by their code. */
  refused: Record<string, number>
  measures: Record<Measure, Encoded>
  /** The first few of each kind, in words. */
  complaints: Complaint[]
}

export interface Tally {
  count(what: Counted, times?: number): void
  refuse(code: string): void
  measure(what: Measure, ms: number): void
  fault(fault: Fault, conversation: string, what: string): void
  add(part: Part): void
  part(): Part
}

/** Complaints of one kind that are kept in words. */
const WORDED = 5

export const keysOf = <K extends string>(table: Record<K, unknown>): K[] => Object.keys(table) as K[]
const each = <K extends string, V>(table: Record<K, unknown>, value: () => V) =>
  Object.fromEntries(keysOf(table).map((key) => [key, value()])) as Record<K, V>

export function createTally(): Tally {
  const counts = each(counted, () => 0)
  const refused: Record<string, number> = {}
  const histograms: Record<Measure, Histogram> = each(measures, createHistogram)
  const complaints: Complaint[] = []
  const complain = (one: Complaint) => {
    if (complaints.filter(({ fault }) => fault === one.fault).length < WORDED) complaints.push(one)
  }
  return {
    count(what, times = 1) {
      counts[what] += times
    },
    refuse(code) {
      counts.refused++
      refused[code] = (refused[code] ?? 0) + 1
    },
    measure: (what, ms) => histograms[what].record(ms),
    fault(fault, conversation, what) {
      counts[fault]++
      complain({ fault, conversation, what })
    },
    add(part) {
      for (const name of keysOf(counted)) counts[name] += part.counts[name]
      for (const [code, times] of Object.entries(part.refused)) refused[code] = (refused[code] ?? 0) + times
      for (const name of keysOf(measures)) histograms[name].add(part.measures[name])
      part.complaints.forEach(complain)
    },
    part: () => ({
      counts: { ...counts },
      refused: { ...refused },
      measures: Object.fromEntries(keysOf(measures).map((name) => [name, histograms[name].encode()])) as Part['measures'],
      complaints: [...complaints],
    }),
  }
}

export function sumOf(parts: readonly Part[]): Part {
  const tally = createTally()
  parts.forEach(tally.add)
  return tally.part()
}
