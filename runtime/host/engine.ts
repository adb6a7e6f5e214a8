/** Host, runner, sweeper and speech, wired: give it a store and fillings, and durable things live. */
import { loadActor, machineVersions } from '../../sql/actors.ts'
import { forgetChunks, keepChunks } from '../../sql/chunks.ts'
import { findConversation, readEventsBetween } from '../../sql/conversations.ts'
import type { Database } from '../../sql/database.ts'
import { keepForNext, readEffect, releaseEffects } from '../../sql/effects.ts'
import { dropEnvelope, fateOf, setAside, type Verdict, waitingFor } from '../../sql/inbox.ts'
import { lookForTimers } from '../../sql/timers.ts'
import { Refusal } from '../../machines/refusal.ts'
import type { Bus } from '../cluster/bus.ts'
import { type Others, nobodyElse } from '../cluster/others.ts'
import { type Ownership, actorShards } from '../cluster/ownership.ts'
import type { Log } from '../watch/log.ts'
import { createChunkLog } from './chunks.ts'
import { type Clock, systemClock } from './clock.ts'
import { createCommitter } from './committer.ts'
import { type Ask, type Fate, type Host, type KeptEvent, type Limits, createHost, defaultLimits, isRefusal } from './host.ts'
import { unreachable } from './migrate.ts'
import { createPatrol } from './patrol.ts'
import { createPublisher } from './publish.ts'
import type { Birth } from './row.ts'
import { type Piece, type Runner, type Slot, createRunner } from './runner.ts'
import { type Speeches, createSpeeches } from './speech.ts'
import { sweeping } from './sweep.ts'
import { createSweeper } from './sweeper.ts'
import type { Envelope, Step, Tree } from './tree.ts'
import { callsIn } from './tree.ts'
import { createWheel } from './wheel.ts'

export interface Engine {
  host: Host
  speeches: Speeches
  runner: Runner
  /** Goes on with everything that was left behind, and begins to ring timers. */
  start(): Promise<void>
  /** These shards came to us: what waits there is taken up. */
  gained(shards: ReadonlySet<number>): void
  /** Ends all work here without a word: others go on with it. */
  surrender(): void
  /** Lets running work end for so long, then leaves it to whoever comes next. Resolves with how many pieces were left. */
  stop(ms: number): Promise<number>
}

interface Parts {
  db: Database
  bus: Bus
  log: Log
  ownership: Ownership
  /** The other nodes; without them everything is here. */
  others?: Others
  /** Fillings by the name of their slot. They are made late, because some of them speak. */
  slots(speeches: Speeches): Record<string, Slot>
  clock?: Clock
  limits?: Limits
  /** Hears of every committed step, for figures. */
  observe?(step: Step): void
  /** Hears of every step that the store has refused. */
  refused?(outcome: 'fenced' | 'ousted'): void
}

export function createEngine({
  db,
  bus,
  log,
  ownership,
  others = nobodyElse,
  slots,
  clock = systemClock,
  limits = defaultLimits,
  observe = () => {},
  refused = () => {},
}: Parts): Engine {
  const wheel = createWheel(clock)
  const chunks = createChunkLog({
    clock,
    log,
    keep: (batch) => keepChunks(db, batch, ownership.me.life),
    remove: ({ tenant, actor, turn }) => forgetChunks(db, tenant, actor, turn),
  })
  const speeches = createSpeeches({ bus, chunks, clock, wheel, stopped: others.stopped })
  const publisher = createPublisher({ bus, speeches })
  const runner = createRunner({
    slots: slots(speeches),
    log,
    tell: tellEnd,
    keep: (piece, what) => keepForNext(db, ownership.me.life, piece, what),
  })
  const sweeper = createSweeper({
    clock,
    log,
    look: (until, most) => lookForTimers(db, until, most, actorShards(ownership)),
    ring: ({ tenant, actor, id }) => tellInside({ tenant, actor, envelope: { timer: id } }),
  })
  const host = createHost(
    {
      clock,
      log,
      committer: createCommitter(db, { ownership, clock }),
      ownership,
      elsewhere: others.elsewhere,
      waiting: ({ tenant, actor }, most) => waitingOf({ tenant, actor, shard: ownership.shardOf(actor) }, most),
      settled,
      async ownerOf({ tenant, actor }) {
        const found = await findConversation(db, tenant, actor)
        return found === 'taken' ? undefined : found?.owner
      },
      load: (tenant, actor) => loadActor(db, tenant, actor),
      bury,
      refused,
      committed,
      retell,
      recovered,
    },
    limits,
  )

  const waitingOf = async (place: { tenant: string; actor: string; shard: number }, most: number): Promise<KeptEvent[]> =>
    (await waitingFor(db, place, most)).map(({ dedup, kept }) => ({ ...(kept as Omit<KeptEvent, 'dedup'>), dedup }))

  async function settled(place: Verdict, kept: KeptEvent, fate: Fate): Promise<boolean> {
    // What was set aside is out of the inbox by now; what could not be read, or whose fate is unknown, waits until it can be said.
    if ('refusal' in fate && fate.refusal.code === 'store.unavailable') return true
    const isNothing = 'told' in fate ? !fate.told.duplicate && isRefusal(fate.told.step) : fate.refusal.code !== 'step.failed'
    if (isNothing && !(await dropEnvelope(db, place, kept.dedup))) return false
    others.echo(place, kept, fate)
    return true
  }

  function committed(place: { tenant: string; actor: string }, step: Step, birth?: Birth) {
    for (const id of step.cancels) {
      if (runner.isRunning({ ...place, id })) runner.cancel({ ...place, id })
      else others.cancel({ ...place, id })
    }
    if (birth) others.born(place, birth.owner)
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
      // What another node has claimed is its own; what is done, and whose end waits in the inbox, is not to be done again.
      if (effect?.life !== ownership.me.life || (await fateOf(db, tenant, actor, `call:${id}`)) === 'waiting') continue
      runner.start({ tenant, actor, id, src: effect.src, input: effect.input, attempt: effect.attempt, kept: effect.kept })
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

  async function bury({ dedup, envelope, birth }: Ask, place: Verdict, error: Error): Promise<boolean> {
    const letter = { dedup: dedup ?? null, envelope: { ...envelope, ...(birth && { birth }) }, error: error.stack ?? error.message }
    const aside = await setAside(db, place, letter)
    if (aside) log.error({ err: error, actor: place.actor }, 'an event was set aside after three tries')
    return aside
  }

  ownership.job('chunks.sweep', sweeping({ db, clock, log }))
  const patrol = createPatrol({
    db,
    ownership,
    clock,
    log,
    take(piece) {
      const { turn } = (piece.input ?? {}) as { turn?: string }
      if (turn) chunks.inherit({ tenant: piece.tenant, actor: piece.actor, turn })
      runner.start(piece)
    },
    isRunning: (piece) => runner.isRunning(piece),
    takeIn: (tenant, actor) => host.takeIn(tenant, actor),
  })

  return {
    host,
    speeches,
    runner,
    async start() {
      const line = db.unhurried()
      const wrong = unreachable(await machineVersions(line).finally(() => line.close()))
      if (wrong.length > 0) throw new Error(`The database cannot be served: ${wrong.join('; ')}.`)
      await ownership.open()
      await patrol.start()
      sweeper.start()
    },
    gained() {
      void patrol.look()
      sweeper.notice(clock.now())
    },
    surrender() {
      runner.surrender()
      speeches.silence()
    },
    async stop(ms) {
      sweeper.stop()
      await patrol.stop()
      await runner.quiet(ms)
      const left = runner.count()
      runner.abandon()
      ownership.close()
      host.close()
      await host.idle()
      await chunks.settle()
      // Whoever comes next need not wait until we count as gone.
      if (left > 0) await releaseEffects(db, ownership.me.life).catch((error) => log.warn({ err: error }, 'work could not be given back'))
      wheel.stop()
      return left
    },
  }
}
