/**
 * Runs every durable thing: one mailbox an actor, one step at a time, and nothing begins before its step is committed. Trees at
 * rest stay in the store; a bounded number of warm ones is kept at hand.
 */
import { type KindName, kinds } from '../../machines/index.ts'
import { Refusal } from '../../machines/refusal.ts'
import { isPrivate, liveNames } from '../../machines/event.ts'
import type { StoredActor } from '../../sql/actors.ts'
import type { Outcome, StepRow } from '../../sql/steps.ts'
import { type Committer, Unstorable } from './committer.ts'
import type { Clock } from './clock.ts'
import { failpoint } from './failpoint.ts'
import type { Log } from '../watch/log.ts'
import { type Limits, type Mailbox, createMailboxes } from './mailboxes.ts'
import type { Logic } from './xstate.ts'
import { type Known, type Resident, Unreadable, createResidents, nothingKnown, toldUpTo } from './resident.ts'
import { type Birth, rowOf } from './row.ts'
import { type Stepper, createStepper } from './step.ts'
import type { Envelope, Step, Tree } from './tree.ts'

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

export type Told = { duplicate: true } | { duplicate: false; step: Step }

/** What the host needs of the world; every part can be simulated. */
export interface Needs {
  clock: Clock
  log: Log
  committer: Committer
  load(tenant: string, actor: string): Promise<StoredActor | undefined>
  /** Sets an event aside after its third failure. */
  bury(ask: Ask, error: Error): Promise<void>
  /** Hears of every committed step, in order for each actor: tells watchers, begins work, arms timers. */
  committed(place: { tenant: string; actor: string }, step: Step): void
  /** Its watchers hear of the events after `after` up to `last`, which were committed without their being told. */
  retell(place: { tenant: string; actor: string }, after: number, last: number): Promise<void>
  /** The same, for what it asked for: whatever the actor wants and nobody does begins now. */
  recovered(place: { tenant: string; actor: string }, tree: Tree): Promise<void>
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
  counts(): { residents: number; waiting: number }
  /** Resolves when nothing that was told waits any more. */
  idle(): Promise<void>
  close(): void
}

/** A step that only tells the sender no. */
const isRefusal = ({ emits }: Step) => emits.length > 0 && emits.every(({ event }) => isPrivate(event.type))

interface Cell extends Mailbox, Known {
  /** It is to be read again, for all who have asked and are not yet served. */
  refreshing: Promise<void> | undefined
}

const TRIES = 3
const FENCES = 8
export function createHost(needs: Needs, limits: Limits = defaultLimits): Host {
  const { clock, log, committer } = needs
  const steppers = new Map<KindName, Stepper>()
  const cells = createMailboxes<Cell>({
    limits,
    make: (mailbox) => ({ ...mailbox, ...nothingKnown(), refreshing: undefined }),
    mayGo: ({ suspect }) => !suspect,
    rested: (cell) => cell.suspect && residents.heal(cell, () => closed),
  })
  const residents = createResidents<Cell>({ ...needs, between: (cell, look) => void cells.between(cell, look) })
  let closed = false

  function stepperFor(kind: KindName): Stepper {
    const known = steppers.get(kind)
    if (known) return known
    const made = createStepper(kinds[kind].machine as unknown as Logic, { isLive: (type) => liveNames.has(type) })
    steppers.set(kind, made)
    return made
  }

  async function perform(cell: Cell, ask: Ask): Promise<Told> {
    let failures = 0
    let fences = 0
    for (let wait = 50; ; ) {
      let step: Step | undefined
      try {
        const resident = await residents.of(cell)
        if (!resident && !ask.birth) throw new Refusal('conversation.unknown')
        const now = clock.now()
        try {
          step = stepFor(ask, resident, now)
        } catch (error) {
          cell.resident = undefined
          if (++failures < TRIES) continue
          await needs.bury(ask, error as Error)
          throw new Refusal('step.failed')
        }
        // Nothing was accepted, so nothing is kept: the sender's key stays free for another try.
        if (isRefusal(step)) return { duplicate: false, step }
        failpoint('step.computed')
        const outcome = await commit(ask, row(ask, resident, step, now))
        if (outcome === 'done') {
          failpoint('step.committed')
          cell.resident = { kind: kindOf(ask, resident), version: step.tree.v, epoch: resident?.epoch ?? 0, tree: step.tree }
          cell.published = step.tree.seq
          cell.unborn = false
          needs.committed(cell, step)
          return { duplicate: false, step }
        }
        cell.resident = undefined
        cell.suspect = true
        if (outcome === 'duplicate') return { duplicate: true }
        // Somebody else moves this actor. What comes from inside waits for its moment.
        if (++fences >= FENCES) {
          if (!ask.inside || closed) throw new Refusal('store.unavailable')
          fences = 0
          await new Promise<void>((resolve) => clock.after(wait, resolve))
        }
      } catch (error) {
        if (error instanceof Refusal) throw error
        if (error instanceof Unreadable) {
          if (!cell.unreadable)
            log.error({ err: error, actor: cell.actor }, 'an actor cannot be read; it stands still until that is mended')
          cell.unreadable = true
          throw new Refusal('step.failed')
        }
        // The store did not answer. What was sent may have happened.
        cell.resident = undefined
        cell.suspect = true
        log.warn({ err: error, actor: cell.actor }, 'the store did not answer')
        if (!ask.inside || closed) throw new Refusal('store.unavailable')
        await new Promise<void>((resolve) => clock.after(wait, resolve))
        wait = Math.min(wait * 2, 2_000)
      }
    }
  }

  async function commit(ask: Ask, row: StepRow): Promise<Outcome> {
    try {
      return await committer.commit(row)
    } catch (error) {
      if (!(error instanceof Unstorable)) throw error
      await needs.bury(ask, error)
      throw new Refusal('step.failed')
    }
  }

  const kindOf = ({ birth }: Ask, resident: Resident | undefined) => resident?.kind ?? (birth as Birth).kind

  const stepFor = (ask: Ask, resident: Resident | undefined, now: number) => {
    const stepper = stepperFor(kindOf(ask, resident))
    return resident ? stepper.step(resident.tree, ask.envelope, now) : stepper.begin(ask.birth?.input, now, ask.envelope)
  }

  function row(ask: Ask, resident: Resident | undefined, step: Step, now: number) {
    const { tenant, actor, dedup, pending, envelope, birth } = ask
    const kind = kindOf(ask, resident)
    return rowOf({
      tenant,
      actor,
      kind,
      version: resident?.version ?? 0,
      epoch: resident?.epoch ?? 0,
      machine: kinds[kind].version,
      dedup: dedup ?? null,
      pending: pending ?? false,
      envelope,
      now,
      step,
      birth: resident ? undefined : birth,
    })
  }

  return {
    tell(ask) {
      const cell = cells.of(ask.tenant, ask.actor)
      // What comes from inside was counted when it was let in: an answer is never turned away.
      if (!ask.inside && cells.isFull(cell)) return Promise.reject(new Refusal('mailbox.full'))
      return new Promise((resolve, reject) => cells.enqueue(cell, () => perform(cell, ask).then(resolve, reject)))
    },
    position(tenant, actor) {
      const cell = cells.find(tenant, actor)
      return cell && toldUpTo(cell)
    },
    refresh(tenant, actor) {
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
        cell.resident = undefined
        cell.suspect = true
        return residents.readAgain(cell).then(read)
      })
      return refreshing
    },
    counts: cells.counts,
    idle: cells.idle,
    close() {
      closed = true
    },
  }
}
