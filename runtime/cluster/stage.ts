/** Where watchers of a conversation stand, wherever it lives. */
import type { Engine } from '../host/engine.ts'

export interface Live {
  turn: string
  attempt: number
  text: string
}

export interface Stage {
  /** Resolves once what this node tells of the conversation is joined to its owner, or nobody answers. Its watchers are to be in by then. */
  ready(tenant: string, actor: string): Promise<void>
  /** The last durable event that watchers here were told; undefined where nobody can say. */
  position(tenant: string, actor: string): number | undefined
  /** The reply in flight, whole. */
  live(tenant: string, actor: string): Live | undefined
  /** Watchers here may have missed something: they are told. Never throws. */
  refresh(tenant: string, actor: string): Promise<void>
}

/** Of a node that has everything itself. */
export const ownStage = ({ host, speeches }: Pick<Engine, 'host' | 'speeches'>): Stage => ({
  ready: async () => {},
  position: host.position,
  live: speeches.live,
  refresh: host.refresh,
})
