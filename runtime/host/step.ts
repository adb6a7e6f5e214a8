/**
 * The heart: (tree, envelope, now) → (tree', what to do). No I/O, no clock, no chance, no live actor.
 * The caller commits tree and lists in one statement and only then does what they say.
 */
import {
  type Address,
  type Call,
  type Drop,
  type Emit,
  type Entry,
  type Envelope,
  type Event,
  type MachineRecord,
  type Step,
  type Timer,
  type Tree,
  callsIn,
  idOf,
  isBelow,
  parentOf,
  root,
  seed,
  timersIn,
} from './tree.ts'
import {
  type Ask,
  type Logic,
  type Moved,
  NAMELESS,
  type Spawn,
  begin,
  childLogic,
  isNamed,
  isPure,
  plainError,
  restore,
} from './xstate.ts'

/** The root failed, or a machine asks for what cannot be stored. Commit nothing: the old tree still stands. */
export class StepFailed extends Error {
  override readonly name = 'StepFailed'
}

export interface Stepper {
  /**
   * Brings a tree into the world and, when there is one, gives it its first envelope in the same step.
   * Throws `StepFailed`.
   */
  begin(input: unknown, now: number, envelope?: Envelope): Step
  /** Throws `StepFailed`, or whatever a state that this code no longer knows makes xstate throw. */
  step(tree: Tree, envelope: Envelope, now: number): Step
}

interface Options {
  /** More messages than this within one step are a loop. */
  limit?: number
  /** Emitted types that are said and forgotten, and so get no `seq`. */
  isLive?: (type: string) => boolean
}

const doneEvent = (addr: Address, output: unknown, at: number): Event => ({
  type: `xstate.done.actor.${idOf(addr)}`,
  output,
  actorId: idOf(addr),
  at,
})
const errorEvent = (addr: Address, error: unknown, at: number): Event => ({
  type: `xstate.error.actor.${idOf(addr)}`,
  error,
  actorId: idOf(addr),
  at,
})

export function createStepper(logic: Logic, { limit = 1_000, isLive = () => false }: Options = {}): Stepper {
  return {
    begin: (input, now, envelope) =>
      new Run(logic, seed(), now, limit, isLive).carry((run) => {
        run.boot(root, logic, input, {})
        if (envelope) run.receive(envelope)
      }),
    step: (tree, envelope, now) => new Run(logic, tree, now, limit, isLive).carry((run) => run.receive(envelope)),
  }
}

type About = Pick<MachineRecord, 'src' | 'systemId' | 'sync'>

/** One step under way. Records are replaced and never changed, so the old tree stands if anything throws. */
class Run {
  private readonly tree: Tree
  private readonly calls: Call[] = []
  private readonly emits: Emit[] = []
  private readonly entries: Entry[] = []
  private readonly tells: Step['tells'] = []
  private readonly drops: Drop[] = []
  private readonly mail = new Map<Address, Event[]>()
  private readonly busy = new Set<Address>()
  private reported: string | undefined
  private counter = 0
  private taken = 0
  private readonly rootLogic: Logic
  private readonly before: Tree
  private readonly now: number
  private readonly limit: number
  private readonly isLive: (type: string) => boolean

  constructor(rootLogic: Logic, before: Tree, now: number, limit: number, isLive: (type: string) => boolean) {
    this.rootLogic = rootLogic
    this.before = before
    this.now = now
    this.limit = limit
    this.isLive = isLive
    this.tree = { v: before.v + 1, seq: before.seq, actors: { ...before.actors }, timers: { ...before.timers } }
  }

  /** Does the work, then tells calls and timers as a difference: what began and ended within one step is never heard of. */
  carry(work: (run: Run) => void): Step {
    work(this)
    const { tree } = this
    const before = this.before
    const [callsBefore, callsNow, timersBefore, timersNow] = [callsIn(before), callsIn(tree), timersIn(before), timersIn(tree)]
    return {
      tree,
      calls: this.calls.filter(({ id }) => callsNow.has(id)),
      cancels: [...callsBefore].filter((id) => id !== this.reported && !callsNow.has(id)),
      timers: Object.values(tree.timers).filter(({ id }) => !timersBefore.has(id)),
      disarms: [...timersBefore].filter((id) => !timersNow.has(id)),
      emits: this.emits,
      entries: this.entries,
      tells: this.tells,
      drops: this.drops,
    }
  }

  receive(envelope: Envelope) {
    if ('to' in envelope) return this.send(envelope.to, this.stamped(envelope.event))
    if ('timer' in envelope) return this.ring(envelope)
    const found = Object.entries(this.tree.actors).find(([, a]) => a.call && a.born === envelope.call && a.status === 'active')
    if (!found) return this.drops.push({ addr: root, envelope }) // a late answer to an abandoned call
    const [addr, record] = found
    if ('event' in envelope) return this.send(parentOf(addr), this.stamped(envelope.event))
    this.reported = envelope.call
    this.tree.actors[addr] = { ...record, status: 'done' } as typeof record
    const event = 'error' in envelope ? errorEvent(addr, plainError(envelope.error), this.now) : doneEvent(addr, envelope.output, this.now)
    this.send(parentOf(addr), event)
  }

  private ring(envelope: { timer: string }) {
    const key = Object.keys(this.tree.timers).find((name) => this.tree.timers[name]?.id === envelope.timer)
    if (!key) return this.drops.push({ addr: root, envelope }) // disarmed between the sweep and now
    const { to, born, event } = this.tree.timers[key] as Timer
    delete this.tree.timers[key]
    if (born && this.tree.actors[to]?.born !== born) return this.drops.push({ addr: to, event })
    this.send(to, this.stamped(event))
  }

  boot(addr: Address, logic: Logic, input: unknown, about: About) {
    const born = this.nextId()
    const first = begin(this.tree, addr, logic, input)
    this.occupy(addr, () => this.arrive(addr, logic, first, { ...about, born }))
  }

  private nextId = () => `${this.tree.v}:${this.counter++}`
  /** Every event that the host delivers says when: machines read no clock. */
  private stamped = (event: Event): Event => ({ ...event, at: event.at ?? this.now })

  private logicAt(addr: Address): Logic {
    return addr === root ? this.rootLogic : this.named(parentOf(addr), this.tree.actors[addr]?.src as string)
  }

  private named(parent: Address, src: unknown): Logic {
    const logic = typeof src === 'string' ? childLogic(this.logicAt(parent), src) : undefined
    if (!logic) throw new StepFailed(`${parent} has no actor named "${String(src)}"; inline logic cannot be stored`)
    return logic
  }

  // Mailboxes behave as in a live system: an idle actor takes a message at once, a busy one when it is through.
  private send(to: Address, event: Event) {
    const box = this.mail.get(to)
    if (box) box.push(event)
    else this.mail.set(to, [event])
    if (!this.busy.has(to)) this.occupy(to)
  }

  private occupy(addr: Address, first?: () => void) {
    this.busy.add(addr)
    first?.()
    for (let event = this.mail.get(addr)?.shift(); event; event = this.mail.get(addr)?.shift()) this.take(addr, event)
    this.busy.delete(addr)
  }

  private take(addr: Address, event: Event) {
    const record = this.tree.actors[addr]
    if (record?.status !== 'active') return this.drops.push({ addr, event })
    if (record.call) return this.tells.push({ call: record.born, event })
    if (++this.taken > this.limit) throw new StepFailed(`more than ${this.limit} messages in one step`)
    const logic = this.logicAt(addr)
    const transition = restore(this.tree, addr, logic)
    let next: Moved
    try {
      next = transition(event)
    } catch (error) {
      // Its actions so far were only a list, and go with the exception.
      this.tree.actors[addr] = { ...record, status: 'error', error: plainError(error) }
      return this.settle(addr)
    }
    this.arrive(addr, logic, next, record)
  }

  private arrive(addr: Address, logic: Logic, { record, asks }: Moved, { born, src, systemId, sync }: About & { born: string }) {
    if (JSON.stringify(record.context)?.includes('"xstate$$type"')) {
      throw new StepFailed(`${addr} keeps an actor in its context; keep its id instead`)
    }
    this.tree.actors[addr] = { ...record, born, ...(src && { src }), ...(systemId && { systemId }), ...(sync && { sync }) }
    const isAlive = () => this.tree.actors[addr]?.born === born
    for (const ask of asks) this.apply(addr, logic, ask, isAlive)
    if (isAlive()) this.settle(addr)
  }

  /**
   * `isAlive` turns false when a message from this very list makes our parent stop us. What we tell others then still
   * counts; what would belong to us (children, timers) does not.
   */
  private apply(addr: Address, logic: Logic, ask: Ask, isAlive: () => boolean) {
    if (ask.kind === 'send') return this.send(ask.to, ask.event)
    if (ask.kind === 'emit') return this.emit(addr, ask.event)
    if (ask.kind === 'custom') {
      if (!isNamed(logic, ask)) throw new StepFailed(`${addr}: an inline action cannot be stored; name it in setup()`)
      return this.entries.push({ id: this.nextId(), addr, type: ask.type, params: ask.params })
    }
    if (!isAlive()) return
    if (ask.kind === 'spawn') this.spawn(addr, ask.child)
    else if (ask.kind === 'stop') this.stop(`${addr}/${ask.id}`)
    else if (ask.kind === 'cancel') delete this.tree.timers[`${addr}#${ask.id}`]
    else this.arm(addr, ask)
  }

  private emit(addr: Address, event: Event) {
    if (this.isLive(event.type)) this.emits.push({ addr, event: { ...event, at: this.now } })
    else this.emits.push({ addr, seq: ++this.tree.seq, event })
  }

  private arm(owner: Address, { to, id, delay, event }: Extract<Ask, { kind: 'later' }>) {
    const born = to && to !== owner ? this.tree.actors[to]?.born : undefined
    const timer: Timer = { id: this.nextId(), owner, to: to ?? owner, ...(born && { born }), at: this.now + delay, event }
    this.tree.timers[`${owner}#${id ?? timer.id}`] = timer
  }

  private spawn(parent: Address, { id, src, systemId, sync, input }: Spawn) {
    if (id === NAMELESS || /[/#]/.test(id)) throw new StepFailed(`${parent}: a child needs known logic and an id without / or #`)
    const addr = `${parent}/${id}`
    const logic = this.named(parent, src)
    const about = { src: src as string, systemId, sync }
    if (isPure(logic)) return this.boot(addr, logic, input, about)
    const born = this.nextId()
    this.calls.push({ id: born, addr, src: about.src, input })
    this.tree.actors[addr] = { call: true, status: 'active', born, src: about.src, ...(systemId && { systemId }) }
  }

  private stop(top: Address) {
    this.clear(top)
    delete this.tree.actors[top]
    this.mail.delete(top)
  }

  /** Everything below, and every timer that it or they own. */
  private clear(top: Address) {
    for (const [key, { owner }] of Object.entries(this.tree.timers)) {
      if (owner === top || isBelow(owner, top)) delete this.tree.timers[key]
    }
    for (const addr in this.tree.actors) {
      if (!isBelow(addr, top)) continue
      delete this.tree.actors[addr]
      this.mail.delete(addr)
    }
  }

  private settle(addr: Address) {
    const { status, sync, output, error, value, context } = this.tree.actors[addr] as MachineRecord
    const tell = (event: Event) => addr !== root && this.send(parentOf(addr), event)
    if (status === 'active') {
      if (sync) tell({ type: `xstate.snapshot.${idOf(addr)}`, snapshot: { status, value, context } })
      return
    }
    this.clear(addr)
    if (addr === root && status === 'error') {
      throw new StepFailed((error as Error | undefined)?.message ?? 'the root failed', { cause: error })
    }
    tell(status === 'done' ? doneEvent(addr, output, this.now) : errorEvent(addr, error, this.now))
  }
}
