/**
 * Named instants at which a test may end, stall or break this process, to see what is left. Off, which is always but in a test
 * that asked for it, a point costs one comparison.
 */
export const failpoints = [
  /** What a client sent is durable; the client has not been told. */
  'event.accepted',
  /** A step is computed; nothing of it is stored. */
  'step.computed',
  /** A step is stored; nobody has heard of it and none of its work has begun. */
  'step.committed',
  /** A piece of work begins: a model call, a check. */
  'effect.started',
  /** Words went to the watchers and not yet to the stream log. */
  'delta.spoken',
  /** A batch of the stream log is stored. */
  'chunk.kept',
  /** A piece of work is done; the machine has not been told. */
  'effect.ended',
  /** The machine has been told, and that is stored. */
  'end.committed',
  /** A timer is due and has not rung. */
  'timer.due',
  /** Work of a dead process is ours and has not begun again. */
  'start.adopting',
  /** A reader's place is read from the store; the reader has not been answered. */
  'join.read',
] as const

export type Failpoint = (typeof failpoints)[number]

/** What happens the `nth` time that a point is reached (1 is the first), once. `ms` is how long a stall lasts, or how late a kill comes. */
export interface Armament {
  point: Failpoint
  nth: number
  act: 'kill' | 'stall' | 'throw' | 'exhaust'
  ms: number
}

export class FailpointError extends Error {
  override readonly name = 'FailpointError'
}

let isArmed = false
let armaments: Armament[] = []

/** Replaces what was armed before; nothing disarms. */
export function arm(wanted: readonly Armament[]): void {
  armaments = wanted.map((one) => ({ ...one }))
  isArmed = armaments.length > 0
}

export function failpoint(point: Failpoint): void {
  if (isArmed) reach(point)
}

function reach(point: Failpoint) {
  const due = armaments.filter((one) => one.point === point && --one.nth === 0)
  for (const { act, ms } of due) {
    // The operator of such a process sees why it stands still or is gone.
    process.stderr.write(`failpoint ${point}: ${act} ${ms}\n`)
    if (act === 'throw') throw new FailpointError(`broken at ${point}`)
    if (act === 'stall') stall(ms)
    else if (act === 'exhaust') exhaust()
    else if (ms > 0) setTimeout(kill, ms)
    else kill()
  }
}

/** As the kernel would: no handler, no farewell. */
const kill = () => process.kill(process.pid, 'SIGKILL')

/** Holds the whole event loop, as a long computation does. */
function stall(ms: number) {
  for (const until = performance.now() + ms; performance.now() < until; );
}

/** Takes memory until there is none left: V8 collects in vain for a while, and then ends the process. */
function exhaust(): never {
  for (const taken: number[][] = []; ; ) taken.push(new Array(100_000).fill(taken.length + 0.5))
}

/** `step.committed:3=kill,delta.spoken=stall:500`: without a count the first time, without an act kill. Throws a sentence. */
export function readFailpoints(text: string): Armament[] {
  return text.split(',').map((part) => {
    const [, point, nth = '1', act = 'kill', ms] =
      /^\s*([a-z.]+)(?::(\d{1,6}))?(?:=(kill|stall|throw|exhaust)(?::(\d{1,6}))?)?\s*$/.exec(part) ?? []
    if (!failpoints.includes(point as Failpoint) || Number(nth) === 0 || (act === 'stall' && ms === undefined))
      throw new Error(`must be a list of NAME[:NTH][=kill|stall:MS|throw|exhaust], where NAME is one of ${failpoints.join(', ')}`)
    return { point: point as Failpoint, nth: Number(nth), act: act as Armament['act'], ms: Number(ms ?? 0) }
  })
}
