/** What a slot's filling gets from whoever runs it. */
export interface Work {
  tenant: string
  /** The conversation (or other durable thing) that asked. */
  actor: string
  /** The same for every try of this piece of work: what a provider or channel gets as idempotency key. */
  id: string
  /** Counts from 1; above 1 an earlier try was lost. */
  attempt: number
  /** Aborted when the machine no longer wants the answer. */
  signal: AbortSignal
}

/** Fills one slot: plain JSON in, plain JSON out. It may run twice with the same input. */
export type Filling<In, Out> = (input: In, work: Work) => Promise<Out>
