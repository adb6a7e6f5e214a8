import type { StepRow } from '../../sql/steps.ts'

/** What a test says of it; of the rest there is nothing. */
type Told = Pick<StepRow, 'tenant' | 'actor' | 'shard' | 'epoch'> & Partial<StepRow>

/** The first step of a conversation. */
export const firstStep = (told: Told): StepRow => ({
  kind: 'conversation',
  version: 0,
  machine: 1,
  tree: {},
  dedup: null,
  pending: false,
  envelope: {},
  now: 1_000_000,
  done: null,
  calls: [],
  cancels: [],
  timers: [],
  disarms: [],
  emits: [],
  usage: [],
  orders: [],
  about: { owner: 'someone', channel: 'web', seq: 0 },
  ...told,
})
