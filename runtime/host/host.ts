/**
 * Runs every durable thing: one mailbox an actor, one step at a time, and nothing begins before its step is committed. Trees at
 * rest stay in the store; a bounded number of warm ones is kept at hand.
 */
import { type KindName, kinds } from '../../machines/index.ts'
import { Refusal } from '../../machines/refusal.ts'
import { isPrivate, liveNames } from '../../machines/event.ts'
import type { StoredActor } from '../../sql/actors.ts'
import type { Verdict } from '../../sql/inbox.ts'
import type { Outcome, StepRow } from '../../sql/steps.ts'
import type { Ownership } from '../cluster/ownership.ts'
import type { Place } from '../cluster/place.ts'
import { type Committer, Unstorable } from './committer.ts'
import type { Clock } from './clock.ts'
import { failpoint } from './failpoint.ts'
import { type Inbox, Moved, createIntake } from './intake.ts'
import type { Log } from '../watch/log.ts'
import { type Limits, type Mailbox, createMailboxes } from './mailboxes.ts'
import type { Logic } from './xstate.ts'
import { type Known, type Resident, Unreadable, createResidents, nothingKnown, toldUpTo } from './resident.ts'
import { type Birth, rowOf } from './row.ts'
import { type Stepper, createStepper } from './step.ts'
import { type Envelope, type Step, type Tree, callsIn } from './tree.ts'

export interface Ask {
  tenant: string
  actor: string
  envelope: Envelope
  /** The sender's own key, for what comes from outside: applied once, however often it is told. */
  dedup?: string
  /** Comes from a timer or from work: retried for ever instead of refused. */
  inside?: true
  /** Stands in the inbox already. */
  pending?: boolean
  /** Brings an unknown actor into the world; without it such an ask is refused. */
  birth?: Birth
}

/** What a sender learns of the step that its event caused. */
export type Effect = Pick<Step, 'emits' | 'cancels' | 'disarms'> & Partial<Pick<Step, 'calls'>>

export type Told = { duplicate: true } | { duplicate: false; step: Effect }

/** An event that stands in the inbox, accepted by any node for whoever has its actor. */
export interface KeptEvent {
  dedup: string
  envelope: Envelope
  birth?: Birth
  /** The node that accepted it, and waits to hear what became of it. */
  origin?: { node: string; life: string }
}

/** What became of a kept event. */
export type Fate = { told: Told } | { refusal: Refusal }

/** What the host needs of the world; every part can be simulated. */
export interface Needs {
  clock: Clock
  log: Log
  committer: Committer
  ownership: Pick<Ownership, 'me' | 'shardOf' | 'epochOf' | 'voiceOf' | 'ousted'>
  /** Keeps an event for whoever has its actor; resolves once that is durable, with what is yet to become of it. */
  elsewhere(ask: Ask): Promise<{ told: Promise<Told> }>
  /** The oldest events that wait for this actor, at most so many. */
  waiting(place: Place, most: number): Promise<KeptEvent[]>
  /**
   * Hears what became of an event that waited; where nothing came of it, the sender's key is to be free again. False: that is not ours to
   * say any more.
   */
  settled(place: Verdict, kept: KeptEvent, fate: Fate): Promise<boolean>
  /** Whose an actor is. */
  ownerOf(place: Place): Promise<string | undefined>
  load(tenant: string, actor: string): Promise<StoredActor | undefined>
  /** Sets an event aside after its third failure. False: it is not ours to judge any more. */
  bury(ask: Ask, place: Verdict, error: Error): Promise<boolean>
  /** The store has refused a step: another copy of the actor, or another owner of its shard, was first. */
  refused(outcome: 'fenced' | 'ousted'): void
  /** Hears of every committed step, in order for each actor: tells watchers, begins work, arms timers. */
  committed(place: Place, step: Step, birth?: Birth): void
  /** Its watchers hear of the events after `after` up to `last`, which were committed without their being told. */
  retell(place: Place, after: number, last: number): Promise<void>
  /** The same, for what it asked for: whatever the actor wants and nobody does begins now. */
  recovered(place: Place, tree: Tree): Promise<void>
}

export type { Limits } from './mailboxes.ts'

export const defaultLimits: Limits = { residents: 10_000, perActor: 256, perTenant: 10_000 }

export interface Host {
  /**
   * Resolves once the event is durable. Refuses with `mailbox.full` (nothing was accepted), `conversation.unknown`,
   * `step.failed` (set aside) or `store.unavailable`; what comes from inside is retried instead of refused.
   */
  tell(ask: Ask): Promise<Told>
  /** Durable events told so far, if the actor is at hand. */
  position(tenant: string, actor: string): number | undefined
  /** Somebody else has moved this actor, or an unknown commit did: reads it again and tells its watchers what they have missed. Never throws. */
  refresh(tenant: string, actor: string): Promise<void>
  /** The same for one that need not be at hand yet. */
  meet(tenant: string, actor: string): Promise<void>
  /** Applies what stands in the inbox for this actor, in order. False: something is left that could not be applied. Never throws. */
  takeIn(tenant: string, actor: string): Promise<boolean>
  /** Whether the actor waits for this piece of work; undefined when it is not at hand. */
  wants(tenant: string, actor: string, work: string): boolean | undefined
  /** These shards are somebody else's: forgets what it knows of their actors. */
  letGo(shards: ReadonlySet<number>): void
  /** Resolves when every step of these shards that had begun is over. */
  quiet(shards: ReadonlySet<number>): Promise<void>
  counts(): { residents: number; waiting: number }
  /** Resolves when nothing that was told waits any more. */
  idle(): Promise<void>
  close(): void
}

/** A step that only tells the sender no. */
export const isRefusal = ({ emits }: Effect) => emits.length > 0 && emits.every(({ event }) => isPrivate(event.type))

interface Cell extends Mailbox, Known, Inbox {
  /** What waits in the inbox is to be taken in, for all who have asked and are not yet served. */
  taking: Promise<boolean> | undefined
  /** It is to be read again, for all who have asked and are not yet served. */
  refreshing: Promise<void> | undefined
}

const TRIES = 3
const FENCES = 8
/** Milliseconds between two tries of what comes from inside: the first, and at most while the store is away. */
const SHORTEST_WAIT = 50
const LONGEST_WAIT = 500

export function createHost(needs: Needs, limits: Limits = defaultLimits): Host {
  const { clock, log, committer, ownership } = needs
  const steppers = new Map<KindName, Stepper>()
  const cells = createMailboxes<Cell>({
    limits,
    make: (mailbox) => ({
      ...mailbox,
      ...nothingKnown(),
      shard: ownership.shardOf(mailbox.actor),
      sent: 0,
      refreshing: undefined,
      taking: undefined,
    }),
    mayGo: ({ suspect, sent }) => !suspect && sent === 0,
    rested: (cell) => cell.suspect && residents.heal(cell, () => closed || ownership.epochOf(cell.shard) === undefined),
  })
  const residents = createResidents<Cell>({ ...needs, between: (cell, look) => void cells.between(cell, look) })
  const intake = createIntake<Cell>({ ...needs, apply: async (cell, ask) => (await perform(cell, ask)).told, isClosed: () => closed })
  let closed = false

  function stepperFor(kind: KindName): Stepper {
    const known = steppers.get(kind)
    if (known) return known
    const made = createStepper(kinds[kind].machine as unknown as Logic, { isLive: (type) => liveNames.has(type) })
    steppers.set(kind, made)
    return made
  }

  async function perform(cell: Cell, given: Ask): Promise<{ told: Told | Promise<Told> }> {
    let ask = given
    let failures = 0
    let fences = 0
    for (let wait = SHORTEST_WAIT; ; ) {
      const epoch = ownership.epochOf(cell.shard)
      let step: Step | undefined
      try {
        if (epoch === undefined) {
          if (given.pending) throw new Moved()
          // Also where it was found kept already: whoever has the actor now applies it, and the sender waits for that.
          return await intake.sendOff(cell, given)
        }
        // The actor has come to us meanwhile, and what was sent to its owner before must not be overtaken.
        if (cell.sent > 0 && !given.pending) await intake.takeAll(cell)
        const resident = await residents.of(cell)
        if (!resident && !ask.birth) throw new Refusal('conversation.unknown')
        if (resident && ask.birth && (await needs.ownerOf(cell)) !== ask.birth.owner) throw new Refusal('conversation.unknown')
        const now = clock.now()
        try {
          step = stepFor(ask, resident, now)
        } catch (error) {
          cell.resident = undefined
          if (++failures < TRIES) continue
          if (await needs.bury(ask, { ...placeOf(cell), epoch }, error as Error)) throw new Refusal('step.failed')
          await ownership.ousted(cell.shard)
          continue
        }
        // Nothing was accepted, so nothing is kept: the sender's key stays free for another try.
        if (isRefusal(step)) return { told: { duplicate: false, step } }
        // While the actor was read it may have gone, or we may have begun to live anew.
        if (ownership.epochOf(cell.shard) !== epoch) continue
        failpoint('step.computed')
        const { life } = ownership.me
        const outcome = await commit(ask, row(ask, cell.shard, epoch, resident, step, now))
        if (outcome === 'done') {
          failpoint('step.committed')
          const birth = resident ? undefined : ask.birth
          if (ownership.voiceOf(cell.shard) === epoch) {
            cell.resident = { kind: kindOf(ask, resident), version: step.tree.v, tree: step.tree }
            cell.published = step.tree.seq
            cell.unborn = false
            needs.committed(cell, step, birth)
          } else {
            // The shard has moved since, perhaps away and back: what it emitted is told by its owner, from the store.
            cell.resident = undefined
            cell.suspect = ownership.epochOf(cell.shard) !== undefined
            // Its work stands under the name of whoever sent the commit: of a life that is over it is for whoever finds it.
            const calls = ownership.me.life === life ? step.calls : []
            needs.committed(cell, { ...step, calls, emits: step.emits.filter(({ seq }) => seq === undefined) }, birth)
          }
          return { told: { duplicate: false, step } }
        }
        if (outcome === 'kept') {
          // Another node has kept it for us: it is applied here, and marked there.
          ask = { ...ask, pending: true }
          continue
        }
        cell.resident = undefined
        if (outcome !== 'duplicate') needs.refused(outcome)
        if (outcome === 'ousted') {
          await ownership.ousted(cell.shard)
          continue
        }
        cell.suspect = true
        if (outcome === 'duplicate') return { told: { duplicate: true } }
        // Somebody else moves this actor. What comes from inside waits for its moment.
        if (++fences >= FENCES) {
          if (!ask.inside || closed) throw new Refusal('store.unavailable')
          fences = 0
          await new Promise<void>((resolve) => clock.after(wait, resolve))
        }
      } catch (error) {
        if (error instanceof Refusal || error instanceof Moved) throw error
        if (error instanceof Unreadable) {
          if (!cell.unreadable)
            log.error({ err: error, actor: cell.actor }, 'an actor cannot be read; it stands still until that is mended')
          cell.unreadable = true
          throw new Refusal('step.failed')
        }
        // The store did not answer. What was sent may have happened.
        cell.resident = undefined
        if (epoch !== undefined) cell.suspect = true
        if (wait === SHORTEST_WAIT) log.warn({ err: error, actor: cell.actor }, 'the store did not answer')
        if (!ask.inside || closed) throw new Refusal('store.unavailable')
        await new Promise<void>((resolve) => clock.after(wait, resolve))
        wait = Math.min(wait * 2, LONGEST_WAIT)
      }
    }
  }

  async function commit(ask: Ask, row: StepRow): Promise<Outcome> {
    try {
      return await committer.commit(row)
    } catch (error) {
      if (!(error instanceof Unstorable)) throw error
      if (await needs.bury(ask, row, error)) throw new Refusal('step.failed')
      return 'ousted'
    }
  }

  const placeOf = ({ tenant, actor, shard }: Cell) => ({ tenant, actor, shard })

  const kindOf = ({ birth }: Ask, resident: Resident | undefined) => resident?.kind ?? (birth as Birth).kind

  const stepFor = (ask: Ask, resident: Resident | undefined, now: number) => {
    const stepper = stepperFor(kindOf(ask, resident))
    return resident ? stepper.step(resident.tree, ask.envelope, now) : stepper.begin(ask.birth?.input, now, ask.envelope)
  }

  function row(ask: Ask, shard: number, epoch: number, resident: Resident | undefined, step: Step, now: number) {
    const { tenant, actor, dedup, pending, envelope, birth } = ask
    const kind = kindOf(ask, resident)
    return rowOf({
      tenant,
      actor,
      kind,
      shard,
      version: resident?.version ?? 0,
      epoch,
      machine: kinds[kind].version,
      dedup: dedup ?? null,
      pending: pending ?? false,
      envelope,
      now,
      step,
      birth: resident ? undefined : birth,
    })
  }

  function refresh(tenant: string, actor: string): Promise<void> {
    const cell = cells.find(tenant, actor)
    if (!cell) return Promise.resolve()
    if (cell.refreshing) return cell.refreshing
    let read = () => {}
    const refreshing = new Promise<void>((resolve) => {
      read = resolve
    })
    // Before it stands in line: an idle mailbox begins at once.
    cell.refreshing = refreshing
    cells.enqueue(cell, () => {
      // Who asks from here on may know of more than is about to be read.
      cell.refreshing = undefined
      if (ownership.epochOf(cell.shard) === undefined) return Promise.resolve(read())
      cell.resident = undefined
      cell.suspect = true
      return residents.readAgain(cell).then(read)
    })
    return refreshing
  }

  return {
    tell(ask) {
      const cell = cells.of(ask.tenant, ask.actor)
      // What comes from inside was counted when it was let in: an answer is never turned away.
      if (!ask.inside && cells.isFull(cell)) return Promise.reject(new Refusal('mailbox.full'))
      return new Promise((resolve, reject) => cells.enqueue(cell, () => perform(cell, ask).then(({ told }) => resolve(told), reject)))
    },
    position(tenant, actor) {
      const cell = cells.find(tenant, actor)
      return cell && toldUpTo(cell)
    },
    refresh,
    meet(tenant, actor) {
      cells.of(tenant, actor)
      return refresh(tenant, actor)
    },
    takeIn(tenant, actor) {
      const cell = cells.of(tenant, actor)
      if (cell.taking) return cell.taking
      let done = (_: boolean) => {}
      const taking = new Promise<boolean>((resolve) => {
        done = resolve
      })
      cell.taking = taking
      cells.enqueue(cell, () => {
        // Who asks from here on may know of more than is about to be read.
        cell.taking = undefined
        return intake.takeAll(cell).then(done)
      })
      return taking
    },
    wants(tenant, actor, work) {
      const tree = cells.find(tenant, actor)?.resident?.tree
      return tree && callsIn(tree).has(work)
    },
    letGo(shards) {
      for (const cell of cells.all()) if (shards.has(cell.shard)) Object.assign(cell, nothingKnown())
    },
    async quiet(shards) {
      const busy = [...cells.all()].filter((cell) => cell.busy && shards.has(cell.shard))
      await Promise.all(busy.map((cell) => new Promise<void>((resolve) => cells.enqueue(cell, async () => resolve()))))
    },
    counts: cells.counts,
    idle: cells.idle,
    close() {
      closed = true
    },
  }
}
