/**
 * The carriers to one neighbour, best first. When one fails, whatever it has not answered for goes the next way at once, in order and
 * ahead of what comes later. From then on it gets a copy now and then, until it answers for one: trying it again costs nobody anything.
 */
import type { Clock } from '../host/clock.ts'
import type { Log } from '../watch/log.ts'
import type { Carrier } from './carrier.ts'

/** Milliseconds in which a carrier must answer: a hung one never does. */
const PATIENCE = 1_000
/** Milliseconds between two attempts with one that failed. */
const LEFT_OUT = 1_000

interface Way {
  carrier: Carrier
  at: number
  failing: boolean
  /** In ticks of the clock, when it fails. */
  tryAt: number
  /** The attempt that spoke last: what an earlier one has to say is old news. */
  latest: number
  /** Gives up what it has not answered for. */
  unanswered: Set<(why: Error) => void>
}

/** A batch, cut and sealed for this carrier. */
type Cut = (carrier: Carrier, way: number) => string[]

export interface Route {
  /** True once a carrier has taken all parcels. The first one is asked before this returns. */
  carry(parcels: Cut): Promise<boolean>
  /** Milliseconds that the carrier wants between two batches. */
  pause(): number
}

interface Needs {
  node: string
  address: string
  carriers: readonly Carrier[]
  clock: Clock
  log: Log
}

export function createRoute({ node, address, carriers, clock, log }: Needs): Route {
  const ways = carriers.map((carrier, at): Way => ({ carrier, at, failing: false, tryAt: 0, latest: 0, unanswered: new Set() }))
  let attempts = 0

  /** Where all fail, all are tried. */
  function next(tried: ReadonlySet<Way>): Way | undefined {
    const left = ways.filter((way) => !tried.has(way))
    return left.find((way) => !way.failing) ?? left[0]
  }

  async function attempt(way: Way, parcels: Cut): Promise<boolean> {
    const number = ++attempts
    let why: unknown
    const taken = await answer(way, parcels(way.carrier, way.at)).catch((error: unknown) => {
      why = error
      return false
    })
    if (number > way.latest) {
      way.latest = number
      settle(way, taken, why)
    }
    return taken
  }

  const answer = (way: Way, parcels: string[]) =>
    new Promise<boolean>((resolve, reject) => {
      const cancel = clock.after(PATIENCE, () => reject(new Error(`no answer within ${PATIENCE} ms`)))
      way.unanswered.add(reject)
      const over = () => {
        cancel()
        way.unanswered.delete(reject)
      }
      all(way.carrier, parcels).then(resolve, reject).finally(over)
    })

  const all = async (carrier: Carrier, parcels: string[]) =>
    (await Promise.all(parcels.map(async (parcel) => carrier.carry(address, parcel)))).every((one) => one === true)

  function settle(way: Way, taken: boolean, why: unknown) {
    if (!taken) {
      way.tryAt = clock.ticks() + LEFT_OUT
      for (const giveUp of way.unanswered) giveUp(new Error('a batch ahead of it was not taken'))
      way.unanswered.clear()
    }
    if (way.failing === !taken) return
    way.failing = !taken
    const what = { node, carrier: way.carrier.name, ...(why !== undefined && { err: why }) }
    if (taken) log.info(what, 'a carrier reaches this neighbour again')
    // A neighbour that does not listen has most often just left; a carrier that fails is worth a look.
    else log[why === undefined ? 'info' : 'warn'](what, 'a carrier does not reach this neighbour; its letters go another way')
  }

  /** The neighbour drops whatever reaches it twice. */
  function copy(parcels: Cut, instead: Way) {
    for (const way of ways) {
      if (way === instead || !way.failing || way.tryAt > clock.ticks()) continue
      way.tryAt = clock.ticks() + LEFT_OUT
      void attempt(way, parcels)
    }
  }

  return {
    async carry(parcels) {
      const tried = new Set<Way>()
      for (let way = next(tried); way; way = next(tried)) {
        if (tried.size === 0) copy(parcels, way)
        tried.add(way)
        if (await attempt(way, parcels)) return true
      }
      return false
    },
    pause: () => next(new Set())?.carrier.pause ?? 0,
  }
}
