/**
 * Plays a chart on the pure stepper with a clock moved by hand: no I/O, no sleeping. Slots answer from a script; between steps
 * everything goes through JSON, as it would through the store, and the rows that a store would hold are compared with the tree.
 *
 *     const story = play(conversation, { answer: never })
 *     story.hears(message({ text: 'why is the sky blue?' }))
 *     story.waits(120_000)
 *     assert.equal(story.asked, ['director', 'ceo'])
 */
import * as assert from 'uvu/assert'
import type { Tier } from '../../machines/ladder.ts'
import { liveNames } from '../../machines/event.ts'
import type { UsageEntry, OrderEntry } from '../../machines/entry.ts'
import { type Stepper, createStepper } from '../../runtime/host/step.ts'
import {
  type Call,
  type Emit,
  type Entry,
  type Envelope,
  type Event,
  type MachineRecord,
  type Step,
  type Tree,
  callsIn,
  timersIn,
} from '../../runtime/host/tree.ts'
import type { Logic } from '../../runtime/host/xstate.ts'
import { draft, policy, sorted } from './samples.ts'

/** A reply that does not come. */
export const never = Symbol('never')

interface Later {
  later: number
  reply: Reply
}

/** What a slot answers: a value, or a function of what it was asked. */
export type Reply = unknown
export type Script = Record<string, Reply | readonly Reply[]>

export const later = (ms: number, reply: Reply): Later => ({ later: ms, reply })

/** A call that fails with this kind. */
export const failing =
  (kind = 'overloaded', message = `it is ${kind}`) =>
  () => {
    throw Object.assign(new Error(message), { kind })
  }

/** The node that did the work is gone. */
export const lost = () => {
  throw { kind: 'lost', message: 'the node that did this is gone' }
}

const defaults: Script = {
  classify: () => sorted(),
  answer: () => draft(),
  validate: () => ({ pass: true }),
  salvage: () => ({ text: '' }),
  consult: ({ calls }: { calls: { id: string; name: string }[] }) => calls.map(({ id, name }) => ({ id, name, text: 'found' })),
}

export interface Story {
  /** Something happens to the root. */
  hears(event: Event): void
  waits(ms: number): void
  /** Ends the pending work of this slot. */
  answers(slot: string, output: unknown): void
  fails(slot: string, error: unknown): void
  readonly tree: Tree
  /** Where the root stands. */
  readonly state: unknown
  stateOf(address: string): unknown
  contextOf<T>(address?: string): T
  /** The tiers that were asked for a draft, in order. */
  readonly asked: Tier[]
  /** Every piece of work that began, in order. */
  readonly calls: Call[]
  /** Work under way. */
  readonly pending: string[]
  readonly emits: Emit[]
  /** Names of what was told, in order; without what is said and forgotten. */
  readonly told: string[]
  events<T = Record<string, unknown>>(name: string): T[]
  readonly usage: UsageEntry[]
  readonly orders: OrderEntry[]
  readonly cancels: string[]
  readonly drops: Step['drops']
  readonly now: number
  readonly steps: number
}

interface Running {
  call: Call
  at: number
  reply: Reply
}

const inputs: Record<string, () => unknown> = {
  conversation: () => ({ conversation: 'c1', policy: policy() }),
  turn: () => ({
    conversation: 'c1',
    turn: 't1',
    messages: [{ id: 'm1', text: 'why is the sky blue?' }],
    policy: { attempts: 3, patience: policy().patience },
  }),
  agent: () => ({ turn: 't1', attempt: 1, tier: 'director', messages: ['m1'], text: 'why is the sky blue, and not green or violet?' }),
}

const json = <T>(value: T): T => (value === undefined ? value : JSON.parse(JSON.stringify(value)))

export function play(
  machine: { id: string },
  script: Script = {},
  { input = inputs[machine.id]?.(), start = 1_000_000 }: { input?: unknown; start?: number } = {},
): Story {
  const stepper: Stepper = createStepper(machine as unknown as Logic, { isLive: (type) => liveNames.has(type) })
  const replies: Script = { ...defaults, ...script }
  const times: Record<string, number> = {}
  let now = start
  let tree: Tree
  let running: Running[] = []
  let steps = 0
  const rows = { calls: new Set<string>(), timers: new Map<string, number>() }
  const calls: Call[] = []
  const emits: Emit[] = []
  const entries: Entry[] = []
  const cancels: string[] = []
  const drops: Step['drops'] = []

  function take(step: Step, envelope?: Envelope) {
    steps++
    tree = json(step.tree)
    if (envelope && 'call' in envelope) rows.calls.delete(envelope.call)
    if (envelope && 'timer' in envelope) rows.timers.delete(envelope.timer)
    for (const id of step.cancels) rows.calls.delete(id)
    for (const { id } of step.calls) rows.calls.add(id)
    for (const id of step.disarms) rows.timers.delete(id)
    for (const { id, at } of step.timers) rows.timers.set(id, at)
    assert.equal([...rows.calls].sort(), [...callsIn(tree)].sort(), 'the rows of running work and the tree are the same')
    assert.equal([...rows.timers.keys()].sort(), [...timersIn(tree)].sort(), 'the timer rows and the tree are the same')
    running = running.filter(({ call }) => rows.calls.has(call.id))
    emits.push(...json(step.emits))
    entries.push(...json(step.entries))
    cancels.push(...step.cancels)
    drops.push(...json(step.drops))
    for (const call of json(step.calls)) {
      calls.push(call)
      running.push({ call, ...scripted(call) })
    }
  }

  function scripted({ src }: Call): { at: number; reply: Reply } {
    const given = src in replies ? replies[src] : never
    const nth = (times[src] = (times[src] ?? 0) + 1)
    let reply = Array.isArray(given) ? given[Math.min(nth, given.length) - 1] : given
    if (reply === never) return { at: Number.POSITIVE_INFINITY, reply }
    const { later, reply: inner } = (typeof reply === 'object' ? reply : {}) as Partial<Later>
    if (later !== undefined) reply = inner
    return { at: reply === never ? Number.POSITIVE_INFINITY : now + (later ?? 0), reply }
  }

  function step(envelope: Envelope) {
    take(stepper.step(tree, json(envelope), now), envelope)
  }

  function end({ call, reply }: Running) {
    running = running.filter((one) => one.call !== call)
    let envelope: Envelope
    try {
      envelope = { call: call.id, output: typeof reply === 'function' ? reply(call.input) : reply }
    } catch (error) {
      envelope = { call: call.id, error: error instanceof Error ? { ...error, name: error.name, message: error.message } : error }
    }
    step(envelope)
  }

  /** What is due first: an answer before a timer of the same moment. */
  function next(until: number): (() => void) | undefined {
    const answer = running.filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0]
    const timer = [...rows.timers].filter(([, at]) => at <= until).sort(([, a], [, b]) => a - b)[0]
    if (answer && (!timer || answer.at <= timer[1])) return () => ((now = Math.max(now, answer.at)), end(answer))
    return timer && (() => ((now = Math.max(now, timer[1])), step({ timer: timer[0] })))
  }

  function runUntil(until: number) {
    for (let due = next(until); due; due = next(until)) due()
    now = until
  }

  const pendingOf = (slot: string) => {
    const found = running.find(({ call }) => call.src === slot)
    if (!found) throw new Error(`nothing waits for ${slot}; pending: ${running.map(({ call }) => call.src).join(', ') || 'nothing'}`)
    return found
  }

  tree = { v: 0, seq: 0, actors: {}, timers: {} }
  take(stepper.begin(json(input), now))
  runUntil(now)

  return {
    hears(event) {
      step({ to: 'root', event })
      runUntil(now)
    },
    waits: (ms) => runUntil(now + ms),
    answers(slot, output) {
      end({ ...pendingOf(slot), reply: () => output })
      runUntil(now)
    },
    fails(slot, error) {
      end({
        ...pendingOf(slot),
        reply: () => {
          throw error
        },
      })
      runUntil(now)
    },
    get tree() {
      return tree
    },
    get state() {
      return (tree.actors.root as MachineRecord).value
    },
    stateOf: (address) => (tree.actors[address] as MachineRecord | undefined)?.value,
    contextOf: <T>(address = 'root') => (tree.actors[address] as MachineRecord).context as T,
    get asked() {
      return calls.filter(({ src }) => src === 'answer').map(({ input }) => (input as { tier: Tier }).tier)
    },
    calls,
    get pending() {
      return running.map(({ call }) => call.src)
    },
    emits,
    get told() {
      return emits.filter(({ seq }) => seq !== undefined).map(({ event }) => event.type)
    },
    events: <T>(name: string) => emits.filter(({ event }) => event.type === name).map(({ event }) => event as T),
    get usage() {
      return entries.filter(({ type }) => type === 'recordUsage').map(({ params }) => params as UsageEntry)
    },
    get orders() {
      return entries.filter(({ type }) => type === 'recordOrder').map(({ params }) => params as OrderEntry)
    },
    cancels,
    drops,
    get now() {
      return now
    },
    get steps() {
      return steps
    },
  }
}
