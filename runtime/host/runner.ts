/** Does the work that steps asked for, after their commit. Every piece ends in exactly one envelope, or in an abort that nobody waits for. */
import { type Filling, leaving } from '../../actors/work.ts'
import type { Log } from '../watch/log.ts'
import { failpoint } from './failpoint.ts'
import type { Envelope } from './tree.ts'
import { plainError } from './xstate.ts'

/**
 * What happens to a piece of work whose node died under it: done again, or told to the machine, which decides. Work that has kept something
 * to go on with goes on.
 */
export interface Slot {
  // A filling's own types stand at its definition; here only names and JSON are known.
  fill: Filling<never, unknown>
  whenLost: 'repeat' | 'tell'
}

export interface Piece {
  tenant: string
  actor: string
  id: string
  src: string
  input: unknown
  attempt: number
  /** What an earlier try has kept to go on with. */
  kept?: unknown
}

export interface Runner {
  start(piece: Piece): void
  isRunning(piece: Pick<Piece, 'tenant' | 'actor' | 'id'>): boolean
  /** The ids of what runs for this actor. */
  running(place: Pick<Piece, 'tenant' | 'actor'>): string[]
  /** Aborts what a step no longer wants; its answer would find nobody. */
  cancel(piece: Pick<Piece, 'tenant' | 'actor' | 'id'>): void
  count(): number
  /** Resolves when nothing runs any more, or after so many milliseconds. */
  quiet(ms: number): Promise<void>
  /** Leaves everything where it is: the rows stay claimed, and whoever adopts them goes on. Nothing is begun any more. */
  abandon(): void
  /** The same, for a life that is over: what is begun later is of the next one. */
  surrender(): void
}

/** Thrown instead of a filling's fault when there is nobody to do the work. */
export class Unfilled extends Error {
  readonly kind = 'unfilled'
}

/** Work whose node is gone; whether it was done is unknown. */
export const lost = { kind: 'lost', message: 'the node that did this is gone' }

interface Needs {
  slots: Record<string, Slot>
  log: Log
  tell(piece: Piece, envelope: Envelope): Promise<void>
  /** Keeps something for whoever has to go on. */
  keep(piece: Piece, what: object | null): Promise<void>
}

export function createRunner({ slots, log, tell, keep }: Needs): Runner {
  const running = new Map<string, AbortController>()
  const keyOf = ({ tenant, actor, id }: Pick<Piece, 'tenant' | 'actor' | 'id'>) => `${tenant}/${actor}#${id}`
  let abandoned = false
  let listeners: (() => void)[] = []

  async function run(piece: Piece, controller: AbortController) {
    const { tenant, actor, id, attempt, input, src, kept } = piece
    failpoint('effect.started')
    const envelope = await result()
    failpoint('effect.ended')
    try {
      // Nobody waits for what was cancelled, and a node that leaves must not speak for its successor.
      if (!controller.signal.aborted && !abandoned) await tell(piece, envelope)
      failpoint('end.committed')
    } finally {
      // Until its end is told it counts as running: whoever looks for work that nobody does must not begin it again.
      if (running.get(keyOf(piece)) === controller) running.delete(keyOf(piece))
      if (running.size === 0) for (const hear of listeners.splice(0)) hear()
    }

    async function result(): Promise<Envelope> {
      const slot = slots[src]
      if (!slot) return { call: id, error: new Unfilled(`nobody fills the slot "${src}"`) }
      if (attempt > 1 && slot.whenLost === 'tell' && !kept) return { call: id, error: lost }
      try {
        const work = {
          tenant,
          actor,
          id,
          attempt,
          signal: controller.signal,
          kept,
          keep: (what: object | null) => void keepSafe(piece, what),
        }
        return { call: id, output: await slot.fill(input as never, work) }
      } catch (error) {
        if (!controller.signal.aborted) log.warn({ actor, slot: src, err: error }, 'work failed')
        return { call: id, error: plainError(error) }
      }
    }
  }

  const keepSafe = (piece: Piece, what: object | null) =>
    keep(piece, what).catch((error) => log.warn({ err: error, actor: piece.actor, slot: piece.src }, 'this work could not go on elsewhere'))

  return {
    start(piece) {
      if (running.has(keyOf(piece)) || abandoned) return
      const controller = new AbortController()
      running.set(keyOf(piece), controller)
      void run(piece, controller).catch((error) =>
        log.error({ err: error, actor: piece.actor, slot: piece.src }, 'the end of a piece of work could not be told'),
      )
    },
    running: ({ tenant, actor }) =>
      [...running.keys()].filter((key) => key.startsWith(`${tenant}/${actor}#`)).map((key) => key.slice(key.indexOf('#') + 1)),
    isRunning: (piece) => running.has(keyOf(piece)),
    cancel(piece) {
      running.get(keyOf(piece))?.abort()
    },
    count: () => running.size,
    quiet: (ms) =>
      running.size === 0
        ? Promise.resolve()
        : new Promise((resolve) => {
            const timer = setTimeout(resolve, ms)
            listeners = [
              ...listeners,
              () => {
                clearTimeout(timer)
                resolve()
              },
            ]
          }),
    abandon() {
      abandoned = true
      for (const controller of running.values()) controller.abort(leaving)
    },
    surrender() {
      for (const controller of running.values()) controller.abort(leaving)
      // Their ends tell nobody, and the same piece may come back to us.
      running.clear()
    },
  }
}
