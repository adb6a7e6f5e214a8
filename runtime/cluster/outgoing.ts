/** What goes to one neighbour: letters of the same moment as one batch, every batch with its number. */
import type { Clock } from '../host/clock.ts'
import { cut, type Head, type Parcel } from './parcel.ts'
import type { Letter } from './post.ts'
import type { Route } from './route.ts'

/** Letters and bytes of a batch. A longer letter is a batch of its own. */
const LETTERS = 64
const BYTES = 64 * 1024
/** Milliseconds between two batches under load. */
const PAUSE = 3
/** Bytes that may wait: for their turn, or for a carrier's answer. */
const WAITING = 1024 * 1024
/** Milliseconds after the last letter in which the neighbour is told the number of the last batch, and between two such pulses. */
const CONCERN = 60_000
export const PULSE = 1_000

export interface Outgoing {
  send(letter: Letter): void
  /** Says the number of the last batch if that is due; whether it may be due again. */
  pulse(): boolean
  /** Sends what waits; resolves when the carriers have answered. */
  flush(): Promise<void>
}

interface Needs {
  head: Pick<Head, 'from'>
  route: Route
  seal(parcel: Parcel): string
  clock: Clock
  /** A batch or letter is missing from now on: this many bytes, for this reason. */
  lost(why: string, cause?: unknown): void
  sent(letters: number): void
}

export function createOutgoing({ head, route, seal, clock, lost, sent }: Needs): Outgoing {
  let n = 0
  let letters: string[] = []
  let bytes = 0
  /** Bytes that a carrier has and has not answered for, and the batches they are in. */
  let underway = 0
  const answers = new Set<Promise<void>>()
  let wroteAt = Number.NEGATIVE_INFINITY
  let wentAt = Number.NEGATIVE_INFINITY
  let cancel: (() => void) | undefined

  function take(text: string, size: number) {
    if (letters.length > 0 && bytes + size > BYTES) leave()
    letters.push(text)
    bytes += size
    if (letters.length >= LETTERS || bytes >= BYTES) leave()
    else cancel ??= soon()
  }

  /** The first letter after a silence waits for the end of this turn, those after it a little longer. */
  function soon() {
    const wait = wentAt + Math.max(PAUSE, route.pause()) - clock.ticks()
    if (wait > 0) return clock.after(wait, leave)
    const turn = setImmediate(leave)
    return () => clearImmediate(turn)
  }

  function leave() {
    cancel?.()
    cancel = undefined
    if (letters.length === 0) return
    const [batch, count, size] = [`[${letters.join(',')}]`, letters.length, bytes]
    letters = []
    bytes = 0
    wentAt = clock.ticks()
    n++
    sent(count)
    underway += size
    const number = n
    follow(
      route
        .carry((carrier, way) => cut({ ...head, n: number, way }, batch, carrier.most).map(seal))
        .then((taken) => {
          underway -= size
          if (!taken) lost('no carrier took it')
        }),
    )
  }

  function follow(answer: Promise<void>) {
    const one = answer.finally(() => answers.delete(one))
    answers.add(one)
  }

  /** A number without a batch: the neighbour finds the hole. */
  function lose(why: string, cause?: unknown) {
    leave()
    n++
    lost(why, cause)
  }

  return {
    send(letter) {
      wroteAt = clock.ticks()
      let text: string | undefined
      try {
        text = JSON.stringify(letter)
      } catch (cause) {
        return lose('it is no JSON', cause)
      }
      if (text === undefined) return lose('it is no JSON')
      const size = Buffer.byteLength(text)
      if (underway + bytes + size > WAITING) return lose('too much waits')
      take(text, size)
    },
    pulse() {
      const now = clock.ticks()
      if (now - wroteAt > CONCERN) return false
      // While an answer is awaited the last batch may yet go another way, and the pulse must not overtake it.
      if (n > 0 && letters.length === 0 && answers.size === 0 && now - wentAt >= PULSE) {
        const number = n
        follow(route.carry((_, way) => [seal({ ...head, n: number, way, part: 0, parts: 0, piece: '' })]).then(() => {}))
      }
      return true
    },
    async flush() {
      leave()
      await Promise.all(answers)
    },
  }
}
