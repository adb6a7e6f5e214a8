/** Every kind of durable thing, with its version: what the host runs. To add one, add a line. */
import { conversation } from './conversation.ts'

export interface Kind {
  machine: typeof conversation
  /** Counts up whenever stored trees of the version before would not fit any more. */
  version: number
  /** By the version they lead away from: a tree of version n becomes one of n + 1. Pure. */
  migrations: Record<number, (tree: unknown) => unknown>
  /** The way back, likewise: a tree of version n becomes one of n - 1, for an operator who returns to the program before. Pure. */
  reversals: Record<number, (tree: unknown) => unknown>
}

export const kinds = {
  conversation: { machine: conversation, version: 1, migrations: {}, reversals: {} },
} as const satisfies Record<string, Kind>

export type KindName = keyof typeof kinds
