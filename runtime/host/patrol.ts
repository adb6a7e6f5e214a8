/** Looks after what nobody else would: work of nodes that are gone, events that were kept and not applied, pieces that nobody reads. */
import { sweepChunks } from '../../sql/chunks.ts'
import type { Database } from '../../sql/database.ts'
import { adoptEffects, readEffect } from '../../sql/effects.ts'
import { readEnvelope, waitingEnvelopes } from '../../sql/inbox.ts'
import { goneNodes, leaveNode } from '../../sql/nodes.ts'
import type { Log } from '../watch/log.ts'
import type { Clock } from './clock.ts'
import { failpoint } from './failpoint.ts'
import type { Ask } from './host.ts'
import type { Piece } from './runner.ts'

export interface Presence {
  /** Takes our name, or keeps it; false when somebody else has it. A connection that was lost has lost the name as well. */
  hold(): Promise<boolean>
  /** Somebody else has our name, and with it our work: we must not go on. */
  lost(): void
}

export interface Patrol {
  start(): Promise<void>
  /** Resolves when no round is under way any more. */
  stop(): Promise<void>
}

interface Needs {
  db: Database
  node: string
  clock: Clock
  log: Log
  presence?: Presence
  /** Goes on with a piece of work that was left behind. */
  take(piece: Piece): void
  /** False when it could not be applied and stands where it stood. */
  apply(place: { tenant: string; actor: string; dedup: string }, kept: Pick<Ask, 'envelope' | 'birth'>): Promise<boolean>
}

/** Milliseconds between rounds, and the rounds between two looks for pieces of replies that were left behind. */
const PAUSE = 2_000
const SWEEP = 30
const PORTION = 500
const ALL = 2_147_483_647
/** Milliseconds until an event that could not be applied is tried again. */
const REST = 60_000

export function createPatrol({ db, node, clock, log, presence, take, apply }: Needs): Patrol {
  let cancel = () => {}
  let stopped = false
  let under: Promise<void> = Promise.resolve()
  const applying = new Set<string>()

  async function adopt(names: string[]) {
    // In portions, so that neighbours share the work. Our own is adopted whole: it would be found again and again.
    const most = names.includes(node) ? ALL : PORTION
    for (;;) {
      const effects = await adoptEffects(db, names, node, most)
      if (effects.length > 0) failpoint('start.adopting')
      for (const { tenant, actor, id, attempt } of effects) {
        const effect = await readEffect(db, tenant, actor, id)
        if (effect) take({ tenant, actor, id, src: effect.src, input: effect.input, attempt })
      }
      if (effects.length > 0) log.info({ from: names.join(' '), pieces: effects.length }, 'went on with work that was left behind')
      if (effects.length < most) return
    }
  }

  async function inherit() {
    const gone = await goneNodes(db, node)
    await adopt(gone)
    for (const name of gone) await leaveNode(db, name)
  }

  /** An actor that is stuck keeps its own event waiting and nobody else's. */
  async function takeWaiting() {
    for (const place of await waitingEnvelopes(db, PORTION + applying.size)) {
      const key = `${place.tenant}/${place.actor}#${place.dedup}`
      if (applying.has(key)) continue
      const kept = await readEnvelope(db, place)
      if (!kept) continue
      applying.add(key)
      void apply(place, kept as Pick<Ask, 'envelope' | 'birth'>).then((done) => {
        if (done) applying.delete(key)
        else clock.after(REST, () => applying.delete(key))
      })
    }
  }

  let rounds = 0
  async function round() {
    try {
      if (presence && !(await presence.hold())) return presence.lost()
      if (presence) await inherit()
      await takeWaiting()
      if (++rounds % SWEEP === 0) await sweepChunks(db)
    } catch (error) {
      log.warn({ err: error }, 'the patrol could not reach the store')
    }
  }

  function next() {
    if (stopped) return
    cancel = clock.after(PAUSE, () => {
      under = round().finally(next)
    })
  }

  return {
    async start() {
      // Our own first: what we inherit stands under our name from then on, and would be adopted a second time.
      await adopt([node])
      await inherit()
      await takeWaiting()
      next()
    },
    async stop() {
      stopped = true
      cancel()
      await under
    },
  }
}
