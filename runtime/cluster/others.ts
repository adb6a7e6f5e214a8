/** What the engine asks of the other nodes. */
import { Refusal } from '../../machines/refusal.ts'
import type { Ask, Fate, KeptEvent, Told } from '../host/host.ts'
import type { Note, Speaker } from '../host/speech.ts'
import type { Place } from './place.ts'

export interface Others {
  /** Keeps an event for whoever has its actor; resolves once that is durable, with what is yet to become of it. */
  elsewhere(ask: Ask): Promise<{ told: Promise<Told> }>
  /** Tells the node that accepted an event what became of it. */
  echo(place: Place, kept: KeptEvent, fate: Fate): void
  /** Ends a piece of work that runs on some other node. */
  cancel(piece: Place & { id: string }): void
  /** The actor exists from now on, and is this owner's: whoever may not read it hears nothing of it. */
  born(place: Place, owner: string): void
  /** A speaker of this node has stopped. True: it spoke for another. */
  stopped(speaker: Speaker, note: Note): boolean
}

export const nobodyElse: Others = {
  elsewhere: () => Promise.reject(new Refusal('store.unavailable')),
  echo() {},
  cancel() {},
  born() {},
  stopped: () => false,
}
