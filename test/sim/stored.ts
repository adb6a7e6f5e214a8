/** Everything that is stored when a world has come to rest, read without the project's own queries. */
import type { Envelope, Tree } from '../../runtime/host/tree.ts'
import type { StoredMessage } from '../support/stored.ts'
import type { SimStore } from './store.ts'

export interface StoredEvent {
  conversation: string
  seq: number
  name: string
  /** Milliseconds since 1970. */
  at: number
  payload: {
    turn?: string
    attempt?: number
    messages?: string[]
    message?: { id: string; text: string }
    code?: string
    reason?: string
    partial?: true
  }
}

export interface StoredStep {
  actor: string
  version: number
  envelope: Envelope & { birth?: unknown }
  now: number
}

export interface StoredActor {
  id: string
  version: number
  tree: Tree
}

export interface Bill {
  conversation: string
  turn: string
  agent: string
  out: number
  estimated: boolean
}

export async function readStored(store: SimStore) {
  return {
    messages: await store.ask<StoredMessage>(
      'select conversation, seq::int, id, role, text, turn from messages order by conversation, seq',
    ),
    events: await store.ask<StoredEvent>(
      'select conversation, seq::int, name, payload, extract(epoch from at)::float8 * 1000 as at from events order by conversation, seq',
    ),
    journal: await store.ask<StoredStep>('select actor, version::int, envelope, now::float8 as now from journal order by actor, version'),
    actors: await store.ask<StoredActor>('select id, version::int, tree from actors'),
    usage: await store.ask<Bill>('select conversation, turn, agent, tokens_out as out, estimated from usage where tokens_out > 0'),
    letters: await store.ask<{ error: string }>('select error from dead_letters'),
  }
}
