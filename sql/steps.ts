/** The one statement that moves actors; 004_steps.sql says what it promises. */
import type { Database } from './database.ts'
import type { Doer } from './effects.ts'

export interface StepRow {
  tenant: string
  actor: string
  kind: string
  shard: number
  /** The version that the step started from; 0 brings the actor into the world. */
  version: number
  epoch: number
  machine: number
  tree: unknown
  /** What came from outside carries the sender's key; a key known already makes the step a duplicate. */
  dedup: string | null
  /** The event stands in the inbox already. */
  pending: boolean
  envelope: unknown
  now: number
  /** The work whose end this step tells. */
  done: string | null
  calls: { id: string; addr: string; src: string; input: unknown }[]
  cancels: string[]
  timers: { id: string; at: number }[]
  disarms: string[]
  emits: { seq: number; name: string; payload: unknown }[]
  usage: unknown[]
  orders: unknown[]
  /** What lists show of a conversation. */
  about: {
    owner?: string
    channel?: string
    bot?: string | null
    title?: string | null
    seq: number
    state?: string
    attention?: string
    cleared?: number
  }
}

/**
 * `fenced`: the actor moved on without us; `ousted`: the shard is somebody else's now; `kept`: the event stands in the inbox and
 * waits to be applied. In all three nothing of the step happened.
 */
export type Outcome = 'done' | 'duplicate' | 'fenced' | 'ousted' | 'kept'

/** Commits steps of different actors in one round trip, each fenced for itself. Throws when the store does not answer: what happened is then unknown. */
export async function commitSteps({ sql }: Database, rows: StepRow[], { node, life }: Doer): Promise<Outcome[]> {
  const outcomes = rows.map((): Outcome => 'fenced')
  const held = [...new Set(rows.map(({ shard }) => shard))].sort((one, other) => one - other)
  const told = await sql<{ n: number; outcome: Outcome }[]>`
    select n, outcome from commit_steps(${sql.json(rows.map((row, n) => ({ n, ...row })) as never)}, ${node}, ${life}, ${held})
  `
  for (const { n, outcome } of told) outcomes[n] = outcome
  return outcomes
}

/** Two rows of one batch met a key that another node stored at the same moment: send them one by one. */
export const isConflict = (error: unknown) => (error as { code?: string })?.code === '23505'

/** The store answered, and cannot hold what the steps say (a NUL, a number too large, a key taken): nothing of the statement happened. */
export const isUnstorable = (error: unknown) => /^(2[123]|54)/.test((error as { code?: string })?.code ?? '')

/** Somebody else holds a row that one of the steps must write: nothing of the statement happened. */
export const isHeld = (error: unknown) => (error as { code?: string })?.code === '55P03'
