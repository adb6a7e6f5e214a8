/** What a proxy does to bytes on their way, named as Shopify's toxiproxy names its toxics; `drop`, `loss` and `half_close` are ours. */
export type Toxic =
  /** Bytes come later, in order; `jitter` is added at random, from 0 up. */
  | { type: 'latency'; ms: number; jitter?: number }
  /** One packet of so many, from 0 to 1, is lost and sent again after `again` ms (200, Linux's shortest); what is behind it waits. */
  | { type: 'loss'; rate: number; again?: number }
  /** Bytes a second. */
  | { type: 'bandwidth'; rate: number }
  /** Small reads, `size` bytes each and at random up to `variation` more or less, with `pause` ms between them. */
  | { type: 'slicer'; size: number; variation?: number; pause?: number }
  /** The end of a connection comes so much later. */
  | { type: 'slow_close'; ms: number }
  /** A black hole that a network heals: not a byte comes through and nobody is told; afterwards all of them do, in order. */
  | { type: 'timeout' }
  /** A black hole that loses its bytes. Whose bytes were lost is reset when it heals. */
  | { type: 'drop' }
  /** The connection ends after so many bytes more. */
  | { type: 'limit_data'; bytes: number }
  /** RST to whoever reads in this direction, after `ms`; what the other end says leads nowhere, and it is reset by healing. */
  | { type: 'reset_peer'; ms?: number }
  /** FIN to whoever reads in this direction, behind what was said; the other direction goes on. */
  | { type: 'half_close' }

/** `up` is what the client says, `down` what the server answers. */
export type Way = 'up' | 'down'

type Of<T extends Toxic['type']> = Extract<Toxic, { type: T }>

/** The toxics of one way, each at most once. */
export interface Toxics {
  get<T extends Toxic['type']>(type: T): Of<T> | undefined
  has(type: Toxic['type']): boolean
  put(toxic: Toxic): void
  remove(type?: Toxic['type']): void
}

export function toxics(): Toxics {
  const all = new Map<Toxic['type'], Toxic>()
  return {
    get: <T extends Toxic['type']>(type: T) => all.get(type) as Of<T> | undefined,
    has: (type) => all.has(type),
    put: (toxic) => void all.set(toxic.type, toxic),
    remove: (type) => void (type ? all.delete(type) : all.clear()),
  }
}
