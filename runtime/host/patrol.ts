/** Looks after what nobody else would: work of lives that are over, and events that were kept and not applied. */
import type { Database } from '../../sql/database.ts'
import { type EffectPlace, adoptEffects, releaseEffects } from '../../sql/effects.ts'
import { type Lookout, lookAfter } from '../../sql/looks.ts'
import { type Ownership, actorShards } from '../cluster/ownership.ts'
import type { Log } from '../watch/log.ts'
import type { Clock } from './clock.ts'
import { failpoint } from './failpoint.ts'
import type { Piece } from './runner.ts'

export interface Patrol {
  start(): Promise<void>
  /** Looks now: something came to us. Never throws. */
  look(): Promise<void>
  /** Resolves when no round is under way any more. */
  stop(): Promise<void>
}

interface Needs {
  db: Database
  ownership: Pick<Ownership, 'me' | 'shards' | 'held'>
  clock: Clock
  log: Log
  /** Goes on with a piece of work that was left behind. */
  take(piece: Piece): void
  isRunning(piece: EffectPlace): boolean
  /** Applies what waits for this actor. False: something is left that could not be applied. */
  takeIn(tenant: string, actor: string): Promise<boolean>
}

/** Milliseconds between rounds. */
const PAUSE = 2_000
const PORTION = 500
/** Milliseconds until an actor whose events could not be applied is looked at again. */
const REST = 60_000

export function createPatrol({ db, ownership, clock, log, take, isRunning, takeIn }: Needs): Patrol {
  let cancel = () => {}
  let stopped = false
  let under: Promise<void> = Promise.resolve()
  /** Actors whose events are being applied, or could not be. */
  const applying = new Map<string, { tenant: string; actor: string }>()
  /** Work under our name that nobody did here at the last look, and what was given back before. */
  let idle = new Set<string>()
  let given = new Set<string>()

  async function adopt() {
    for (;;) {
      const effects = await adoptEffects(db, ownership.held(), ownership.me, PORTION)
      if (effects.length > 0) failpoint('start.adopting')
      for (const piece of effects) take(piece)
      if (effects.length > 0) log.info({ pieces: effects.length }, 'went on with work that was left behind')
      if (effects.length < PORTION || stopped) return
    }
  }

  /** An actor that is stuck keeps its own events waiting and nobody else's. */
  function takeWaiting(waiting: Lookout['waiting']) {
    for (const { tenant, actor } of waiting) {
      const key = `${tenant}/${actor}`
      if (applying.has(key)) continue
      applying.set(key, { tenant, actor })
      void takeIn(tenant, actor).then((done) => {
        if (done) applying.delete(key)
        else clock.after(REST, () => applying.delete(key))
      })
    }
  }

  /**
   * A commit or an adoption whose answer got lost may have given us work that we do not know of: nobody would ever do it. Once for each
   * piece: one whose end cannot be told would be bought again and again.
   */
  async function giveBack(claimed: EffectPlace[]) {
    const undone = claimed.filter((piece) => !isRunning(piece))
    const again = undone.filter((piece) => idle.has(keyOf(piece)) && !given.has(keyOf(piece)))
    idle = new Set(undone.map(keyOf))
    given = new Set([...claimed.map(keyOf).filter((key) => given.has(key)), ...again.map(keyOf)])
    if (again.length === 0) return
    await releaseEffects(db, ownership.me.life, again)
    log.info({ pieces: again.length }, 'gave work back that nobody did here')
  }

  const ask = (life?: string) => lookAfter(db, { held: actorShards(ownership), life, most: PORTION, known: [...applying.values()] })

  async function goOn({ waiting, isLeft }: Lookout) {
    if (stopped) return
    takeWaiting(waiting)
    if (isLeft) await adopt()
  }

  async function round() {
    const found = await ask(ownership.me.life)
    await goOn(found)
    await giveBack(found.claimed)
  }

  const unreachable = (error: unknown) => log.warn({ err: error }, 'the patrol could not reach the store')

  function next() {
    if (stopped) return
    cancel = clock.after(PAUSE, () => {
      under = round().catch(unreachable).finally(next)
    })
  }

  return {
    async start() {
      await goOn(await ask())
      next()
    },
    async look() {
      if (!stopped) await ask().then(goOn).catch(unreachable)
    },
    async stop() {
      stopped = true
      cancel()
      await under
    },
  }
}

const keyOf = ({ tenant, actor, id }: EffectPlace) => `${tenant}/${actor}#${id}`
