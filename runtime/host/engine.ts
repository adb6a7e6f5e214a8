/** Host, runner, sweeper and speech, wired: give it a store and fillings, and durable things live. */
import { loadActor, machineVersions } from '../../sql/actors.ts'
import { forgetChunks, keepChunks, spokenText } from '../../sql/chunks.ts'
import { readEventsBetween } from '../../sql/conversations.ts'
import type { Database } from '../../sql/database.ts'
import { readEffect } from '../../sql/effects.ts'
import { bury } from '../../sql/inbox.ts'
import { dueTimers, nextTimer } from '../../sql/timers.ts'
import { Refusal } from '../../machines/refusal.ts'
import type { Bus } from '../cluster/bus.ts'
import type { Log } from '../watch/log.ts'
import { createChunkLog } from './chunks.ts'
import { type Clock, systemClock } from './clock.ts'
import { createCommitter } from './committer.ts'
import { type Ask, type Host, type Limits, createHost, defaultLimits } from './host.ts'
import { unreachable } from './migrate.ts'
import { type Presence, createPatrol } from './patrol.ts'
import { createPublisher } from './publish.ts'
import { type Piece, type Runner, type Slot, createRunner } from './runner.ts'
import { type Speeches, createSpeeches } from './speech.ts'
import { createSweeper } from './sweeper.ts'
import type { Envelope, Step, Tree } from './tree.ts'
import { callsIn } from './tree.ts'
import { createWheel } from './wheel.ts'

export interface Engine {
  host: Host
  speeches: Speeches
  runner: Runner
  /** Goes on with everything that a dead node left behind, and begins to ring timers. */
  start(): Promise<void>
  /** Lets running work end for so long, then leaves it to whoever comes next. Resolves with how many pieces were left. */
  stop(ms: number): Promise<number>
}

interface Parts {
  db: Database
  bus: Bus
  log: Log
  node: string
  /** Fillings by the name of their slot. They are made late, because some of them speak. */
  slots(speeches: Speeches): Record<string, Slot>
  clock?: Clock
  limits?: Limits
  /** Hears of every committed step, for figures. */
  observe?(step: Step): void
  /** How the neighbours know that we live; without it nobody is looked after but ourselves. */
  presence?: Presence
}

export function createEngine({
  db,
  bus,
  log,
  node,
  slots,
  clock = systemClock,
  limits = defaultLimits,
  observe = () => {},
  presence,
}: Parts): Engine {
  const wheel = createWheel(clock)
  const chunks = createChunkLog({
    clock,
    log,
    keep: (batch) => keepChunks(db, batch),
    remove: ({ tenant, actor, turn }) => forgetChunks(db, tenant, actor, turn),
  })
  const speeches = createSpeeches({ bus, chunks, clock, wheel })
  const publisher = createPublisher({ bus, speeches })
  const runner = createRunner({ slots: slots(speeches), log, tell: tellEnd })
  const sweeper = createSweeper({
    clock,
    log,
    due: (until, most) => dueTimers(db, until, most),
    next: (after) => nextTimer(db, after),
    ring: ({ tenant, actor, id }) => tellInside({ tenant, actor, envelope: { timer: id } }),
  })
  const host = createHost(
    {
      clock,
      log,
      committer: createCommitter(db, { node, clock }),
      load: (tenant, actor) => loadActor(db, tenant, actor),
      bury: setAside,
      committed,
      retell,
      recovered,
    },
    limits,
  )

  function committed(place: { tenant: string; actor: string }, step: Step) {
    for (const id of step.cancels) runner.cancel({ ...place, id })
    publisher.emits(place, step.emits)
    observe(step)
    for (const { id, src, input } of step.calls) runner.start({ ...place, id, src, input, attempt: 1 })
    for (const { at } of step.timers) sweeper.notice(at)
    for (const { event, envelope } of step.drops) log.debug({ actor: place.actor, event: event?.type, envelope }, 'nobody took an event')
  }

  async function retell(place: { tenant: string; actor: string }, after: number, last: number) {
    for (const { seq, name, payload } of await readEventsBetween(db, place.tenant, place.actor, after, last))
      publisher.tell(place, name, { conversation: place.actor, seq, ...payload }, true)
  }

  /** A commit whose fate was unknown did happen after all, or did not: both look alike from here on. */
  async function recovered({ tenant, actor }: { tenant: string; actor: string }, tree: Tree) {
    const wanted = callsIn(tree)
    for (const id of runner.running({ tenant, actor })) if (!wanted.has(id)) runner.cancel({ tenant, actor, id })
    for (const id of wanted) {
      if (runner.isRunning({ tenant, actor, id })) continue
      const effect = await readEffect(db, tenant, actor, id)
      // What another node has claimed is its own.
      if (effect?.node === node) runner.start({ tenant, actor, id, src: effect.src, input: effect.input, attempt: effect.attempt })
    }
    for (const { at } of Object.values(tree.timers)) sweeper.notice(at)
  }

  async function tellEnd({ tenant, actor, id }: Piece, envelope: Envelope) {
    const ask: Ask = { tenant, actor, envelope }
    if (await tellInside(ask)) return
    // The answer itself broke the step. The machine hears that its work failed, which it knows how to bear.
    if (await tellInside({ ...ask, envelope: { call: id, error: { kind: 'poisonous', message: 'the answer could not be taken in' } } }))
      return
    // That broke it too. The turn ends, and says so, rather than wait for ever.
    await tellInside({ ...ask, envelope: { to: 'root', event: { type: 'turn.broken' } } })
  }

  /** False when the event was set aside. When the node closes before the store answers, the work stays claimed and is adopted. */
  async function tellInside(ask: Ask): Promise<boolean> {
    try {
      await host.tell({ ...ask, inside: true })
      return true
    } catch (error) {
      if (!(error instanceof Refusal) || error.code !== 'step.failed') {
        log.warn({ err: error, actor: ask.actor }, 'an event from inside was not taken')
        return true
      }
      return false
    }
  }

  async function setAside({ tenant, actor, dedup, envelope }: Ask, error: Error) {
    log.error({ err: error, actor }, 'an event was set aside after three tries')
    await bury(db, { tenant, actor, dedup: dedup ?? null, envelope, error: error.stack ?? error.message })
  }

  const patrol = createPatrol({
    db,
    node,
    clock,
    log,
    ...(presence && { presence }),
    take({ tenant, actor, id, src, input, attempt }) {
      const { turn } = (input ?? {}) as { turn?: string }
      if (turn) chunks.inherit({ tenant, actor, turn })
      runner.start({ tenant, actor, id, src, input, attempt })
    },
    apply: (place, kept) => tellInside({ ...kept, ...place, pending: true }),
  })

  return {
    host,
    speeches,
    runner,
    async start() {
      const wrong = unreachable(await machineVersions(db))
      if (wrong.length > 0) throw new Error(`The database cannot be served: ${wrong.join('; ')}.`)
      await patrol.start()
      sweeper.start()
    },
    async stop(ms) {
      sweeper.stop()
      await patrol.stop()
      await runner.quiet(ms)
      const left = runner.count()
      runner.abandon()
      host.close()
      await host.idle()
      await chunks.settle()
      wheel.stop()
      return left
    },
  }
}

/** What had been said aloud before this node knew of it. */
export const spokenBefore = (db: Database) => (place: { tenant: string; actor: string; turn: string; attempt: number }) =>
  spokenText(db, place.tenant, place.actor, place.turn, place.attempt)
