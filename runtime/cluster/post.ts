/**
 * Letters from node to node. Whatever is durable stands in the store and needs no letter to be found; a letter makes it quick. Letters
 * to one neighbour arrive in order and at most once, or the neighbour is told that some are missing and asks for the state anew.
 */
import type { Clock } from '../host/clock.ts'
import type { Log } from '../watch/log.ts'
import type { Carrier } from './carrier.ts'
import { createIncoming } from './incoming.ts'
import { createOutgoing, type Outgoing, PULSE } from './outgoing.ts'
import { createSeal } from './parcel.ts'
import { createRoute } from './route.ts'

/** One life of one node: a node that starts again is another peer, to whom nothing old is owed. */
export interface Peer {
  node: string
  /** Made up at every start. */
  life: string
}

/** Plain JSON, told apart by its type. */
export interface Letter {
  type: string
  [key: string]: unknown
}

export interface Post {
  /** Never throws. What could not be carried shows at the other side as a gap. The letter is written down at once: it may change after. */
  send(to: Peer, letter: Letter): void
  /** This life is over: nothing is kept for it, and it is told nothing more of what it was sent. */
  forget(to: Peer): void
  /** From now on letters are read; resolves when every carrier listens that can. */
  open(hear: Hearing): Promise<void>
  /** Sends what waits, then falls silent and closes the carriers. */
  close(): Promise<void>
}

export interface Hearing {
  letter(from: Peer, letter: Letter): void
  /** Letters of this peer are missing; called before those that came after them. */
  gap(from: Peer): void
}

/** Since the start, for those who measure. */
export interface PostCounts {
  sent: number
  batches: number
  /** Batches and letters that no carrier took, or that were too much. */
  lost: number
  heard: number
  gaps: number
  repeated: number
  /** Parcels that nobody of this cluster has signed for us. */
  ignored: number
}

export interface Needs {
  me: Peer
  /** Who knows it is one of us. */
  secret: string
  /** Tells clusters apart that share a carrier. */
  prefix: string
  /** Best first. */
  carriers: Carrier[]
  clock: Clock
  log: Log
}

/** Milliseconds that a carrier may take to listen, and the last letters to leave. */
const OPENING = 3_000
const CLOSING = 2_000
/** Milliseconds between two complaints of one kind. */
const QUIET = 60_000

export function createPost({ me, secret, prefix, carriers, clock, log }: Needs): Post & { readonly counts: Readonly<PostCounts> } {
  const counts: PostCounts = { sent: 0, batches: 0, lost: 0, heard: 0, gaps: 0, repeated: 0, ignored: 0 }
  const seal = createSeal(secret)
  const addressOf = ({ node, life }: Peer) => `${prefix}:${node}/${life}`
  const mine = addressOf(me)
  const outgoing = new Map<string, Outgoing>()
  let hearing: Hearing | undefined
  let closed: Promise<void> | undefined
  let stopPulse: (() => void) | undefined

  const sayIgnored = seldom((what) => log.warn(what, 'a letter that no node of this cluster has signed was ignored'))
  const sayLost = seldom((what) => log.warn(what, 'a letter to a neighbour is lost; it will notice'))

  function seldom(say: (what: object) => void) {
    let next = Number.NEGATIVE_INFINITY
    let times = 0
    return (what: object) => {
      times++
      if (clock.ticks() < next) return
      next = clock.ticks() + QUIET
      say({ ...what, times })
      times = 0
    }
  }

  function outgoingTo(to: Peer): Outgoing {
    const address = addressOf(to)
    let one = outgoing.get(address)
    if (!one) {
      one = createOutgoing({
        head: { from: me },
        route: createRoute({ node: to.node, address, carriers, clock, log }),
        seal: (parcel) => seal.close(address, parcel),
        clock,
        sent(letters) {
          counts.batches++
          counts.sent += letters
        },
        lost(why, cause) {
          counts.lost++
          sayLost({ node: to.node, why, ...(cause !== undefined && { err: cause }) })
        },
      })
      outgoing.set(address, one)
    }
    return one
  }

  /** Goes on as long as somebody got a letter lately. */
  function beat() {
    stopPulse = clock.after(PULSE, () => {
      stopPulse = undefined
      let again = false
      for (const one of outgoing.values()) again = one.pulse() || again
      if (again) beat()
    })
  }

  const incoming = createIncoming({
    batch(from, letters) {
      for (const letter of letters) {
        if (!hearing) return // closed by the letter before
        counts.heard++
        safely(() => hearing?.letter(from, letter), { node: from.node, letter: letter.type })
      }
    },
    gap(from) {
      counts.gaps++
      safely(() => hearing?.gap(from), { node: from.node })
    },
    repeated: () => void counts.repeated++,
  })

  function safely(work: () => void, what: object) {
    try {
      work()
    } catch (error) {
      log.error({ ...what, err: error }, 'a letter was read badly')
    }
  }

  function hear(text: string, carrier: string) {
    if (!hearing) return
    const parcel = seal.open(mine, text)
    if (parcel && incoming(parcel)) return
    counts.ignored++
    sayIgnored({ carrier })
  }

  /** The work, or the end of so many milliseconds. */
  const atMost = (ms: number, work: Promise<unknown>, late: () => void) =>
    new Promise<void>((resolve) => {
      const cancel = clock.after(ms, () => {
        late()
        resolve()
      })
      void work.finally(() => {
        cancel()
        resolve()
      })
    })

  return {
    counts,
    send(to, letter) {
      if (closed) return
      outgoingTo(to).send(letter)
      if (!stopPulse) beat()
    },
    forget: (to) => void outgoing.delete(addressOf(to)),
    async open(hears) {
      hearing = hears
      await Promise.all(
        carriers.map((carrier) => {
          const listening = carrier
            .listen(mine, (text) => hear(text, carrier.name))
            .catch((error) => log.warn({ carrier: carrier.name, err: error }, 'a carrier does not listen'))
          return atMost(OPENING, listening, () => log.warn({ carrier: carrier.name }, 'a carrier does not listen yet'))
        }),
      )
    },
    close: () =>
      (closed ??= (async () => {
        stopPulse?.()
        await atMost(CLOSING, Promise.all([...outgoing.values()].map((one) => one.flush())), () => {})
        hearing = undefined
        await Promise.all(carriers.map((carrier) => carrier.close()))
      })()),
  }
}
