/** What this node knows of an actor's row, and how it finds out anew when the row may have moved unseen. */
import type { KindName } from '../../machines/index.ts'
import type { StoredActor } from '../../sql/actors.ts'
import type { Place } from '../cluster/place.ts'
import type { Log } from '../watch/log.ts'
import type { Clock } from './clock.ts'
import { migrated } from './migrate.ts'
import type { Tree } from './tree.ts'

export interface Resident {
  kind: KindName
  version: number
  tree: Tree
}

export interface Known extends Place {
  resident: Resident | undefined
  /** The last durable event that watchers were told. */
  published: number | undefined
  /** Somebody else may have moved it, or a commit of ours whose fate is unknown: the next load must look for what is left undone. */
  suspect: boolean
  /** The last load found nothing: whatever there is now has been told to nobody. */
  unborn: boolean
  /** The row could not be read, which was said once. */
  unreadable: boolean
  /** Milliseconds until a suspect actor is looked at again, and whether it will be. */
  pause: number
  healing: boolean
  /** Another one whenever everything that is known is forgotten. */
  era: object
}

/** Milliseconds between looks at an actor whose last commit is unknown. */
const PAUSE = 500
const LONGEST_PAUSE = 5_000

export const nothingKnown = () => ({
  resident: undefined,
  published: undefined,
  suspect: false,
  unborn: false,
  unreadable: false,
  pause: PAUSE,
  healing: false,
  era: {},
})

/** The last durable event of which watchers know; undefined where nobody can say. Whatever a birth has committed is not yet told. */
export const toldUpTo = ({ unborn, published }: Known) => (unborn ? 0 : published)

/** The stored row makes no sense to this program: a newer machine's, or damaged. It harms its own actor and no other. */
export class Unreadable extends Error {
  override readonly name = 'Unreadable'
}

function readable({ kind, machineVersion, tree }: StoredActor): Tree {
  try {
    const known = migrated(kind, machineVersion, tree as Tree)
    if (typeof known?.v !== 'number' || !known.actors) throw new Error('the tree is damaged')
    return known
  } catch (cause) {
    throw new Unreadable((cause as Error).message, { cause })
  }
}

interface Needs<K extends Known> {
  clock: Clock
  log: Log
  load(tenant: string, actor: string): Promise<StoredActor | undefined>
  retell(place: Place, after: number, last: number): Promise<void>
  recovered(place: Place, tree: Tree): Promise<void>
  /** Looks where nothing else is being done for this actor. */
  between(known: K, look: () => Promise<void>): void
}

export function createResidents<K extends Known>({ clock, log, load, retell, recovered, between }: Needs<K>) {
  /** Loads it where it is not at hand. Throws `Unreadable`, or anything else when the store did not answer. */
  async function of(known: K): Promise<Resident | undefined> {
    if (known.resident) return known.resident
    const { era } = known
    const stored = await load(known.tenant, known.actor)
    const resident = stored && { kind: stored.kind as KindName, version: stored.version, tree: readable(stored) }
    // The actor has gone meanwhile, and may be back: of what was read before nothing is kept.
    if (known.era !== era) return resident
    if (resident) {
      known.resident = resident
      known.unreadable = false
    }
    // Also without a suspicion: a commit that was given up for lost may arrive much later.
    if (known.resident && (known.suspect || (toldUpTo(known) ?? Number.POSITIVE_INFINITY) < known.resident.tree.seq))
      await recover(known, known.resident.tree)
    known.suspect = false
    known.pause = PAUSE
    known.unborn = !known.resident
    if (known.resident) known.published = known.resident.tree.seq
    return known.resident
  }

  async function recover(known: K, tree: Tree): Promise<void> {
    const told = toldUpTo(known)
    if (told !== undefined && told < tree.seq) await retell(known, told, tree.seq)
    // Noted at once: when the store goes away again under the rest, nobody hears the same twice.
    known.published = tree.seq
    known.unborn = false
    await recovered(known, tree)
  }

  /** Never throws; who cannot be read stays suspect, unless looking again would not mend it. */
  async function readAgain(known: K): Promise<void> {
    try {
      await of(known)
    } catch (error) {
      known.resident = undefined
      if (error instanceof Unreadable) {
        // Where it stands is for nobody to say then, and its past can be read all the same.
        known.published = undefined
        known.suspect = false
      }
      log.warn({ err: error, actor: known.actor }, 'an actor could not be read again')
    }
  }

  return {
    of,
    readAgain,
    /** Perhaps nobody ever writes again; what an unknown commit left undone begins all the same. */
    heal(known: K, isOver: () => boolean) {
      if (known.healing) return
      known.healing = true
      clock.after(known.pause, () => {
        known.healing = false
        if (!known.suspect || isOver()) return
        known.pause = Math.min(known.pause * 2, LONGEST_PAUSE)
        between(known, () => readAgain(known))
      })
    },
  }
}
