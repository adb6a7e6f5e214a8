/** What a slot's filling gets from whoever runs it. */
export interface Work {
  tenant: string
  /** The conversation (or other durable thing) that asked. */
  actor: string
  /** The same for every try of this piece of work: what a provider or channel gets as idempotency key. */
  id: string
  /** Counts from 1; above 1 an earlier try was lost. */
  attempt: number
  /** Aborted when the machine no longer wants the answer, or with `leaving`. */
  signal: AbortSignal
  /** What an earlier try has kept to go on with, in whatever process it ran. */
  kept?: unknown
  /** Keeps something (JSON) for whoever has to go on when this process is gone, in the place of what was kept before. Never throws. */
  keep(what: object | null): void
}

/** The reason of an abort when others go on with the work: what has been begun elsewhere in the world is theirs. */
export const leaving = new DOMException('others go on with this work', 'AbortError')

/** Fills one slot: plain JSON in, plain JSON out. It may run twice with the same input. */
export type Filling<In, Out> = (input: In, work: Work) => Promise<Out>
