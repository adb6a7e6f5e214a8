/** The nodes that have watchers of what lives here: each hears everything, in the order in which it is told, under the shard's epoch. */
import type { Frame } from './bus.ts'
import type { Letter, Peer } from './post.ts'

export interface Audience {
  /** From now on this node hears of the room. */
  letIn(from: Peer, room: string): void
  letOut(life: string, room: string): void
  tell(frame: Frame, epoch: number): void
  /** To every node that hears of this room. */
  send(room: string, letter: Letter): void
  /** These rooms are told by somebody else. */
  leave(isGone: (room: string) => boolean): void
  /** Only these lives are left. */
  keep(lives: ReadonlySet<string>): void
  /** Whom it tells of what. */
  all(): { room: string; peer: Peer }[]
  /** Whoever watches hears from us now and then, so that silence means something. */
  pulse(): void
  count(): number
}

export function createAudience(send: (to: Peer, letter: Letter) => void): Audience {
  const rooms = new Map<string, Map<string, Peer>>()

  function letOut(life: string, room: string) {
    const peers = rooms.get(room)
    peers?.delete(life)
    if (peers?.size === 0) rooms.delete(room)
  }

  return {
    letIn(from, room) {
      const peers = rooms.get(room) ?? new Map<string, Peer>()
      rooms.set(room, peers.set(from.life, from))
    },
    letOut,
    tell({ room, name, payload }, epoch) {
      const peers = rooms.get(room)
      if (peers) for (const peer of peers.values()) send(peer, { type: 'frame', room, epoch, name, payload })
    },
    send(room, letter) {
      for (const peer of rooms.get(room)?.values() ?? []) send(peer, letter)
    },
    leave(isGone) {
      for (const room of rooms.keys()) if (isGone(room)) rooms.delete(room)
    },
    keep(lives) {
      for (const [room, peers] of rooms) for (const life of peers.keys()) if (!lives.has(life)) letOut(life, room)
    },
    pulse() {
      const all = new Map<string, Peer>()
      for (const peers of rooms.values()) for (const [life, peer] of peers) all.set(life, peer)
      for (const peer of all.values()) send(peer, { type: 'pulse' })
    },
    all: () => [...rooms].flatMap(([room, peers]) => [...peers.values()].map((peer) => ({ room, peer }))),
    count: () => rooms.size,
  }
}
