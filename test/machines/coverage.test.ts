/**
 * Every transition of every chart can be taken. The list of transitions comes from the chart itself (guarded alternatives count
 * each), the paths from a breadth-first walk with a finite set of inputs, and what was taken from xstate's own microsteps.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { AnyStateMachine, AnyStateNode } from 'xstate'
import { agent } from '../../machines/agent.ts'
import { conversation } from '../../machines/conversation.ts'
import { turn } from '../../machines/turn.ts'
import { createStepper } from '../../runtime/host/step.ts'
import type { Envelope, Event, MachineRecord, Tree } from '../../runtime/host/tree.ts'
import type { Logic } from '../../runtime/host/xstate.ts'
import { draft, policy, sorted } from '../support/samples.ts'

type Transition = AnyStateNode['always'] extends infer T ? (NonNullable<T> extends readonly (infer One)[] ? One : never) : never

const charts: Record<string, AnyStateMachine> = { agent, turn, conversation }

/** All transitions below a node: on, onDone, onError, after, always, and each guarded alternative. */
const transitionsOf = (node: AnyStateNode): Transition[] => [
  ...[...node.transitions.values()].flat(),
  ...(node.always ?? []),
  ...Object.values(node.states).flatMap((below) => transitionsOf(below as AnyStateNode)),
]

const nameOf = (transition: Transition) => {
  const { source, eventType, target, guard } = transition
  const asked = typeof guard === 'object' ? (guard as { type: string }).type : guard
  return `${source.id} --${String(eventType) || 'always'}${asked ? ` [${String(asked)}]` : ''}--> ${target?.map(({ id }) => id).join(' ') ?? '(stays)'}`
}

const taken = new Set<Transition>()

interface Microstep {
  type: string
  _transitions?: Transition[]
}

/** Listens to the microsteps of a chart, through the scope that the host gives it. */
function listen(chart: AnyStateMachine) {
  type Scope = { system: { _sendInspectionEvent(event: Microstep): void } }
  const hear = (scope: unknown) => {
    ;(scope as Scope).system._sendInspectionEvent = ({ _transitions = [] }) => {
      for (const transition of _transitions) taken.add(transition)
    }
  }
  const { transition, getInitialSnapshot } = chart
  chart.transition = (snapshot, event, scope) => {
    hear(scope)
    return transition.call(chart, snapshot, event, scope)
  }
  chart.getInitialSnapshot = (scope, input) => {
    hear(scope)
    return getInitialSnapshot.call(chart, scope, input)
  }
}
for (const chart of Object.values(charts)) listen(chart)

const call = { id: 'k1', name: 'search', args: {} }
const outputs: Record<string, unknown[]> = {
  classify: [sorted(), sorted('unclear'), null],
  answer: [draft(), draft('', { calls: [call] }), draft('no', { reason: 'refusal' }), draft(''), { text: 42 }],
  consult: [[{ id: 'k1', name: 'search', text: 'found' }]],
  validate: [{ pass: true }, { pass: false, why: 'thin' }],
  salvage: [{ text: '' }, { text: 'half' }, { text: 'half', recalled: true }, { text: '', recalled: true }, null],
}
const errors = [
  { kind: 'overloaded', message: 'busy' },
  { kind: 'lost', message: 'gone' },
  { kind: 'cut', message: 'socket hang up' },
]

const events: Record<string, Event[]> = {
  agent: [],
  turn: [
    { type: 'turn.cut', code: 'user.stopped' },
    { type: 'turn.widened', message: { id: 'm2', text: 'more' } },
  ],
  conversation: [
    { type: 'message.received', message: { id: 'm', text: 'why is the sky blue?' } },
    { type: 'user.stopped' },
    { type: 'history.cleared' },
    { type: 'operator.claimed', name: 'Ada' },
    { type: 'operator.said', message: { id: 'o', text: 'hi' } },
    { type: 'operator.released' },
    { type: 'budget.renewed' },
    { type: 'turn.broken' },
  ],
}

const policies = [
  policy({ waiting: 1, attempts: 1 }),
  policy({ waiting: 2, attempts: 1, window: 500 }),
  policy({ waiting: 1, attempts: 1, budget: 0.01, period: 1_000 }),
  ...(['interrupt', 'merge', 'reject'] as const).map((whileBusy) => policy({ whileBusy, waiting: 1, attempts: 1 })),
]

const question = 'why is the sky blue, and neither green nor violet?'
const inputs: Record<string, unknown[]> = {
  agent: [{ turn: 't1', attempt: 1, tier: 'intern', messages: ['m1'], text: question }],
  turn: [{ conversation: 'c1', turn: 't1', messages: [{ id: 'm1', text: question }], policy: policy({ attempts: 2 }) }],
  conversation: policies.map((one) => ({ conversation: 'c1', policy: one })),
}

/** Where a tree stands, without what only counts on. */
const placeOf = (tree: Tree) =>
  JSON.stringify(
    Object.entries(tree.actors).map(([addr, actor]) => {
      if (actor.call) return [addr, actor.status]
      const { tries, waiting, claimant, rounds, spent, draft } = actor.context as Record<string, unknown>
      return [
        addr,
        actor.status,
        (actor as MachineRecord).value,
        tries,
        (waiting as unknown[] | undefined)?.length,
        claimant,
        (rounds as unknown[] | undefined)?.length,
        spent === undefined || spent === 0,
        draft === null,
      ]
    }),
  )

function explore(name: string, wanted: Transition[], most = 20_000): number {
  const stepper = createStepper(charts[name] as unknown as Logic)
  let steps = 0
  for (const input of inputs[name] ?? []) {
    const queue = [stepper.begin(input, 0).tree]
    const seen = new Set(queue.map(placeOf))
    for (let tree = queue.shift(); tree; tree = queue.shift()) {
      for (const envelope of envelopesFor(name, tree)) {
        let next: Tree
        try {
          next = stepper.step(tree, envelope, 1_000).tree
        } catch {
          continue // a root that breaks is not a place; the host sets such an event aside
        }
        if (++steps > most || wanted.every((transition) => taken.has(transition))) return steps
        const place = placeOf(next)
        if (!seen.has(place)) queue.push(next)
        seen.add(place)
      }
    }
  }
  return steps
}

const envelopesFor = (name: string, { actors, timers }: Tree): Envelope[] => [
  ...(events[name] ?? []).map((event) => ({ to: 'root', event })),
  ...Object.values(timers).map(({ id }) => ({ timer: id })),
  ...Object.values(actors).flatMap((actor) =>
    actor.call && actor.status === 'active'
      ? [
          ...(outputs[actor.src] ?? []).map((output) => ({ call: actor.born, output })),
          ...errors.map((error) => ({ call: actor.born, error })),
        ]
      : [],
  ),
]

for (const [name, chart] of Object.entries(charts)) {
  test(`every transition of the ${name} can be taken`, () => {
    const all = transitionsOf(chart.root)
    const steps = explore(name, all)
    const missing = all.filter((transition) => !taken.has(transition)).map(nameOf)
    console.log(`${name}: ${all.length - missing.length} of ${all.length} transitions, ${steps} steps`)
    assert.equal(missing, [])
  })
}

test('every invoke says what happens when it fails', () => {
  for (const chart of Object.values(charts)) {
    const nodes = (node: AnyStateNode): AnyStateNode[] => [
      node,
      ...Object.values(node.states).flatMap((below) => nodes(below as AnyStateNode)),
    ]
    for (const node of nodes(chart.root)) {
      for (const { id } of node.invoke)
        assert.ok(node.transitions.has(`xstate.error.actor.${id}`), `${node.id} invokes ${id} without onError`)
    }
  }
})

test('every action, guard, slot and delay that a chart names is one that setup() knows', () => {
  for (const chart of Object.values(charts)) {
    const { actions, guards, actors } = chart.implementations
    const named = (one: unknown): string[] =>
      typeof one === 'string' ? [one] : typeof one === 'object' && one !== null && 'type' in one ? [String(one.type)] : []
    const walk = (node: AnyStateNode) => {
      for (const name of [...node.entry, ...node.exit, ...transitionsOf(node).flatMap(({ actions: list }) => list)].flatMap(named)) {
        assert.ok(name.startsWith('xstate.') || name in actions, `${node.id}: the action ${name}`)
      }
      for (const name of transitionsOf(node).flatMap(({ guard }) => named(guard)))
        assert.ok(name in guards, `${node.id}: the guard ${name}`)
      for (const { src } of node.invoke) assert.ok(typeof src === 'string' && src in actors, `${node.id}: the slot ${String(src)}`)
      for (const below of Object.values(node.states)) walk(below as AnyStateNode)
    }
    walk(chart.root)
  }
})

test.run()
