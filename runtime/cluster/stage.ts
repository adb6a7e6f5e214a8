/** Where watchers of a conversation stand, wherever it lives. Whoever asks is watching it by then. */
import type { Engine } from '../host/engine.ts'

export interface Live {
  turn: string
  attempt: number
  text: string
}

export interface Stage {
  /** Resolves once the owner tells this node of the conversation, or nobody answers. */
  joined(tenant: string, actor: string): Promise<void>
  /** Whatever comes behind this event is told; without a number, behind what is stored when this is called. */
  stands(tenant: string, actor: string, seq?: number): Promise<void>
  /** The last durable event that watchers here were told; undefined where nobody can say. */
  position(tenant: string, actor: string): number | undefined
  /** The reply in flight, whole. */
  live(tenant: string, actor: string): Live | undefined
  /** Watchers here may have missed something: they are told. Never throws. */
  refresh(tenant: string, actor: string): Promise<void>
}

/** Of a node that has everything itself. */
export const ownStage = ({ host, speeches }: Pick<Engine, 'host' | 'speeches'>): Stage => ({
  joined: async () => {},
  stands: async () => {},
  position: host.position,
  live: speeches.live,
  refresh: host.refresh,
})
