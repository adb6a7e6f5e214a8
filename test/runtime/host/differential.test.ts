/**
 * The stepper against a live xstate actor: random scripts go through both, with JSON between the steps of ours, and every actor
 * must be in the same state with the same context after each event. DIFFERENTIAL=20000 runs more scripts than usual, SEED=n another set.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  type AnyActorRef,
  type AnyStateMachine,
  SimulatedClock,
  assign,
  cancel,
  createActor,
  emit,
  enqueueActions,
  fromPromise,
  raise,
  sendParent,
  sendTo,
  setup,
  spawnChild,
  stopChild,
} from 'xstate'
import { createStepper } from '../../../runtime/host/step.ts'
import { type Envelope, type MachineRecord, type Step, type Tree, callsIn, timersIn } from '../../../runtime/host/tree.ts'
import type { Logic } from '../../../runtime/host/xstate.ts'
import { random } from '../../support/random.ts'

const SCRIPTS = Number(process.env.DIFFERENTIAL ?? 2_000)
const SEED = Number(process.env.SEED ?? 1)
const LENGTH = 35

// The machines ---------------------------------------------------------------------------------------------------------

interface Running {
  key: string
  input: unknown
  resolve(value: unknown): void
  reject(error: unknown): void
}

/** Live work that waits until the script ends it; the newest under an address is the one that counts. */
let running: Running[] = []
const addressOf = (self: { id: string; _parent?: unknown }): string =>
  self._parent ? `${addressOf(self._parent as never)}/${self.id}` : 'root'
const work = fromPromise<unknown, unknown>(
  ({ input, self, signal }) =>
    new Promise((resolve, reject) => {
      const one: Running = { key: addressOf(self as never), input, resolve, reject }
      running.push(one)
      signal.addEventListener('abort', () => {
        running = running.filter((other) => other !== one)
      })
    }),
)

type Log = { log: string[] }
const note = (what: string) => assign({ log: ({ context }: { context: Log }) => [...context.log, what].slice(-12) })

const leaf = setup({
  types: { context: {} as Log & { given: unknown }, input: {} as unknown, emitted: {} as { type: 'told' } },
  actors: { work },
  actions: { note: note('leaf') as never },
}).createMachine({
  id: 'leaf',
  context: ({ input }) => ({ log: [], given: input ?? null }),
  initial: 'one',
  on: {
    poke: { actions: ['note', emit({ type: 'told' })] },
    up: { actions: sendParent({ type: 'pong' }) },
    end: '.end',
    crash: {
      actions: assign(() => {
        throw new Error('crashed')
      }),
    },
  },
  states: {
    one: {
      invoke: { src: 'work', id: 'w', input: { from: 'leaf' }, onDone: 'two', onError: 'end' },
      after: { 700: 'two' },
      on: { next: 'two' },
    },
    two: { after: { 300: 'one' }, on: { next: 'end', back: 'one' } },
    end: { type: 'final' },
  },
  output: ({ context }) => context.log.length,
})

const middle = setup({
  types: { context: {} as Log & { n: number }, input: {} as unknown },
  actors: { leaf, work },
  actions: { note: note('middle') as never },
  guards: { odd: ({ context }) => context.n % 2 === 1 },
}).createMachine({
  id: 'middle',
  context: { log: [], n: 0 },
  initial: 'rest',
  on: {
    count: { actions: assign({ n: ({ context }) => context.n + 1 }) },
    pong: { actions: 'note' },
    end: '.end',
  },
  states: {
    rest: { on: { next: 'busy', loop: { actions: raise({ type: 'count' }) } } },
    busy: {
      invoke: {
        src: 'leaf',
        id: 'l',
        input: ({ context }: { context: { n: number } }) => context.n,
        onDone: { target: 'odd', actions: assign({ n: ({ context, event }) => context.n + Number(event.output) }) },
        onError: 'rest',
      },
      on: {
        next: 'odd',
        again: { target: 'busy', reenter: true },
        poke: { actions: sendTo('l', { type: 'poke' }) },
        up: { actions: sendTo('l', { type: 'up' }) },
        leafend: { actions: sendTo('l', { type: 'end' }) },
        crash: { actions: sendTo('l', { type: 'crash' }) },
      },
    },
    odd: { always: [{ guard: 'odd', target: 'pair' }, { target: 'rest' }] },
    pair: {
      invoke: [
        { src: 'work', id: 'a', input: 1 },
        { src: 'work', id: 'b', input: 2 },
      ],
      on: { next: 'rest', 'xstate.done.actor.*': 'rest' },
    },
    end: { type: 'final' },
  },
  output: 3,
})

const family = setup({
  types: { context: {} as Log & { n: number }, emitted: {} as { type: 'told' } },
  actors: { middle, leaf, work },
  actions: { note: note('family') as never },
  guards: {
    broken: () => {
      throw new Error('a guard that throws')
    },
  },
}).createMachine({
  id: 'family',
  type: 'parallel',
  context: { log: [], n: 0 },
  states: {
    life: {
      initial: 'a',
      states: {
        a: {
          initial: 'x',
          states: { x: { on: { flip: 'y' } }, y: { on: { flip: 'x' }, after: { 450: 'x' } }, past: { type: 'history' } },
          on: { out: 'b' },
        },
        b: { on: { in: 'a.past', flash: 'c' } },
        c: { invoke: { src: 'leaf', id: 'flash' }, always: 'b' },
      },
    },
    house: {
      initial: 'empty',
      states: {
        empty: { on: { enter: 'full' } },
        full: {
          invoke: {
            src: 'middle',
            id: 'm',
            onDone: { target: 'empty', actions: assign({ n: ({ context, event }) => context.n + Number(event.output) }) },
            onError: 'empty',
          },
          on: {
            leave: 'empty',
            again: { target: 'full', reenter: true },
            ...Object.fromEntries(
              ['next', 'count', 'loop', 'poke', 'up', 'leafend', 'crash', 'end'].map((type) => [
                `m.${type}`,
                { actions: sendTo('m', { type }) },
              ]),
            ),
            both: { actions: [sendTo('m', { type: 'count' }), sendTo('m', { type: 'next' })] },
            slow: { actions: [cancel('slow'), sendTo('m', { type: 'count' }, { delay: 250, id: 'slow' })] },
          },
        },
      },
    },
    desk: {
      on: {
        pong: { actions: 'note' },
        arm: { actions: [cancel('bell'), raise({ type: 'rung' }, { delay: 600, id: 'bell' })] },
        disarm: { actions: cancel('bell') },
        rung: { actions: 'note' },
        many: {
          actions: enqueueActions(({ enqueue, context }) => {
            enqueue('note')
            if (context.n % 2 === 0) enqueue.raise({ type: 'rung' })
            enqueue.assign({ n: context.n + 1 })
          }),
        },
        told: { actions: emit({ type: 'told' }) },
      },
      initial: 'off',
      states: {
        off: { on: { hire: { target: 'on', actions: spawnChild('leaf', { id: 's', input: 's' }) } } },
        on: {
          on: {
            fire: { target: 'off', actions: stopChild('s') },
            work: { actions: sendTo('s', { type: 'poke' }) },
            workup: { actions: sendTo('s', { type: 'up' }) },
          },
        },
      },
    },
    yard: {
      initial: 'off',
      states: {
        off: { on: { plant: { target: 'on', actions: assign(({ spawn }) => (spawn('middle', { id: 'p' }), {})) } } },
        on: {
          on: {
            uproot: { target: 'off', actions: stopChild('p') },
            water: { actions: sendTo('p', { type: 'next' }) },
            grow: { actions: sendTo('p', { type: 'again' }) },
          },
        },
      },
    },
  },
  on: { 'xstate.done.actor.*': { actions: 'note' }, 'xstate.error.actor.*': { actions: 'note' } },
})

const events = [
  'flip',
  'out',
  'in',
  'flash',
  'enter',
  'leave',
  'again',
  'both',
  'slow',
  'm.next',
  'm.count',
  'm.loop',
  'm.poke',
  'm.up',
  'm.leafend',
  'm.crash',
  'm.end',
  'm.next',
  'm.next',
  'arm',
  'disarm',
  'many',
  'told',
  'hire',
  'fire',
  'work',
  'workup',
  'plant',
  'uproot',
  'water',
  'water',
  'grow',
  'enter',
  'enter',
]

// Both sides -----------------------------------------------------------------------------------------------------------------

type View = Record<string, unknown>

/** Every machine that is active, by address. */
function liveView(actor: AnyActorRef, addr = 'root', into: View = {}): View {
  const { status, value, context, children } = actor.getSnapshot() as {
    status: string
    value: unknown
    context: unknown
    children?: Record<string, AnyActorRef>
  }
  if (status === 'active') into[addr] = children ? [value, context] : 'work'
  for (const [id, child] of Object.entries(children ?? {})) liveView(child, `${addr}/${id}`, into)
  return into
}

const treeView = (tree: Tree): View =>
  Object.fromEntries(
    Object.entries(tree.actors).flatMap(([addr, actor]) =>
      actor.status !== 'active' ? [] : [[addr, actor.call ? 'work' : [(actor as MachineRecord).value, actor.context]]],
    ),
  )

const sortedKeys = (view: View) => Object.fromEntries(Object.entries(view).sort(([a], [b]) => (a < b ? -1 : 1)))
const json = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T

type Bug = (step: Step, envelope: Envelope | undefined) => Step

/** Plays one script on both and returns where they part, if they do. */
async function play(seed: number, bug?: Bug): Promise<{ steps: number; differs?: string }> {
  const chance = random(seed)
  running = []
  const clock = new SimulatedClock()
  const live = createActor(family as AnyStateMachine, { clock })
  live.subscribe({ error() {} })
  live.start()
  const stepper = createStepper(family as unknown as Logic)
  const rows = { calls: new Set<string>(), timers: new Map<string, number>() }
  let tree: Tree
  let now = 0
  let steps = 0
  const script: string[] = []

  const take = (made: Step, envelope?: Envelope) => {
    const step = bug ? bug(made, envelope) : made
    tree = json(step.tree)
    if (envelope && 'call' in envelope) rows.calls.delete(envelope.call)
    if (envelope && 'timer' in envelope) rows.timers.delete(envelope.timer)
    for (const id of step.cancels) rows.calls.delete(id)
    for (const { id } of step.calls) rows.calls.add(id)
    for (const id of step.disarms) rows.timers.delete(id)
    for (const { id, at } of step.timers) rows.timers.set(id, at)
    steps++
  }
  const compare = (): string | undefined => {
    const [ours, theirs] = [JSON.stringify(sortedKeys(treeView(tree))), JSON.stringify(sortedKeys(liveView(live)))]
    if (ours !== theirs) return `seed ${seed} after ${script.join(', ')}\n  ours   ${ours}\n  theirs ${theirs}`
    if (JSON.stringify([...rows.calls].sort()) !== JSON.stringify([...callsIn(tree)].sort()))
      return `seed ${seed}: the rows of work after ${script.join(', ')}`
    if (JSON.stringify([...rows.timers.keys()].sort()) !== JSON.stringify([...timersIn(tree)].sort()))
      return `seed ${seed}: the rows of timers after ${script.join(', ')}`
    return undefined
  }
  const settle = async () => {
    for (let n = 0; n < 5; n++) await null
  }

  take(stepper.begin(undefined, now))
  for (let n = 0; n < LENGTH; n++) {
    const dice = chance.next()
    const [calls, due] = [
      Object.entries(tree!.actors).filter(([, actor]) => actor.call && actor.status === 'active'),
      [...rows.timers].sort(([, a], [, b]) => a - b),
    ]
    if (dice < 0.18 && calls.length > 0) {
      const [addr, record] = chance.pick(calls)
      const one = running.filter(({ key }) => key === addr).at(-1)
      if (!one) return { steps, differs: `seed ${seed}: no live work at ${addr} after ${script.join(', ')}` }
      running = running.filter((other) => other !== one)
      const fails = chance.next() < 0.3
      script.push(`${addr} ${fails ? 'fails' : 'answers'}`)
      if (fails) one.reject({ message: 'no' })
      else one.resolve(5)
      await settle()
      const envelope: Envelope = fails ? { call: record.born, error: { message: 'no' } } : { call: record.born, output: 5 }
      take(stepper.step(tree!, envelope, now), envelope)
    } else if (dice < 0.38) {
      // From due time to due time: two timers of one moment ring in the order in which they were armed.
      const until = now + 50 + chance.below(500)
      script.push(`${until - now} ms`)
      for (let next = due[0]; next && next[1] <= until; next = [...rows.timers].sort(([, a], [, b]) => a - b)[0]) {
        const at = next[1]
        if ([...rows.timers.values()].filter((other) => other === at).length > 1) return { steps } // a tie is nobody's law
        now = at
        clock.set(now)
        const envelope = { timer: next[0] }
        take(stepper.step(tree!, envelope, now), envelope)
      }
      now = until
      clock.set(now)
    } else {
      const type = chance.pick(events)
      script.push(type)
      live.send({ type })
      const envelope = { to: 'root', event: { type } }
      take(stepper.step(tree!, envelope, now), envelope)
    }
    const differs = compare()
    if (differs) return { steps, differs }
  }
  live.stop()
  return { steps }
}

test('random scripts end in the same states as a live actor, event by event', async () => {
  const began = performance.now()
  let steps = 0
  for (let n = 0; n < SCRIPTS; n++) {
    const { steps: more, differs } = await play(SEED * 1_000_003 + n)
    steps += more
    if (differs) assert.unreachable(differs)
  }
  console.log(`differential: ${SCRIPTS} scripts, ${steps} steps, ${((performance.now() - began) / 1_000).toFixed(1)} s`)
})

const bugs: Record<string, Bug> = {
  'work that is not cancelled': (step) => ({ ...step, cancels: [] }),
  'timers that are not disarmed': (step) => ({ ...step, disarms: [] }),
  'work that is not begun': (step) => ({ ...step, calls: step.calls.slice(1) }),
  'a history that is forgotten': (step) => ({
    ...step,
    tree: { ...step.tree, actors: { ...step.tree.actors, root: { ...step.tree.actors.root, historyValue: {} } as MachineRecord } },
  }),
  'a child that outlives its parent': (step) => {
    const kept = { ...step.tree.actors }
    if (!kept['root/m'] && step.tree.v > 3)
      kept['root/m'] = { status: 'active', value: 'rest', context: { log: [], n: 0 }, born: '0:0', src: 'middle' }
    return { ...step, tree: { ...step.tree, actors: kept } }
  },
  'a child that lives although it was stopped at once': (step, envelope) =>
    envelope && 'to' in envelope && envelope.event.type === 'flash'
      ? {
          ...step,
          tree: { ...step.tree, actors: { ...step.tree.actors, 'root/flash': { call: true, status: 'active', born: '0:1', src: 'work' } } },
        }
      : step,
  'a context that is forgotten': (step) => ({
    ...step,
    tree: {
      ...step.tree,
      actors: { ...step.tree.actors, root: { ...step.tree.actors.root, context: { log: [], n: 0 } } as MachineRecord },
    },
  }),
  'a timer that loses its owner': (step) => ({ ...step, tree: { ...step.tree, timers: {} } }),
}

for (const [name, bug] of Object.entries(bugs)) {
  test(`a planted bug is found: ${name}`, async () => {
    for (let n = 0; n < 300; n++) {
      try {
        if ((await play(n, bug)).differs) return
      } catch {
        return // the stepper refused a tree that cannot be
      }
    }
    assert.unreachable('300 scripts did not find it')
  })
}

test('the same tree, envelope and now give the same bytes', () => {
  const stepper = createStepper(family as unknown as Logic)
  for (let seed = 0; seed < 50; seed++) {
    const chance = random(seed)
    let { tree } = stepper.begin(undefined, 0)
    for (let n = 0; n < 20; n++) {
      const envelope = { to: 'root', event: { type: chance.pick(events) } }
      const before = JSON.stringify(tree)
      const [one, two] = [stepper.step(tree, envelope, n), stepper.step(json(tree), json(envelope), n)]
      assert.is(JSON.stringify(one), JSON.stringify(two))
      assert.is(JSON.stringify(tree), before, 'the old tree is untouched')
      tree = json(one.tree)
    }
  }
})

// What is different on purpose ------------------------------------------------------------------------------------------

test('on purpose: a machine that throws leaves no orphans, where a live one does', () => {
  const crash = (type: string) => ({ to: 'root', event: { type } })
  const stepper = createStepper(family as unknown as Logic)
  let { tree } = stepper.begin(undefined, 0)
  for (const type of ['enter', 'm.next', 'm.crash']) tree = json(stepper.step(tree, crash(type), 0).tree)
  assert.not.ok(Object.keys(tree.actors).some((addr) => addr.startsWith('root/m/l/')))
})

const twice = setup({ types: { context: {} as { n: number } } }).createMachine({
  context: { n: 0 },
  on: {
    arm: { actions: raise({ type: 'rung' }, { delay: 10, id: 'bell' }) },
    rung: { actions: assign({ n: ({ context }) => context.n + 1 }) },
  },
})

test('on purpose: a name armed twice rings once, where a live one rings twice', () => {
  const clock = new SimulatedClock()
  const live = createActor(twice, { clock }).start()
  live.send({ type: 'arm' })
  live.send({ type: 'arm' })
  clock.set(10)
  assert.is(live.getSnapshot().context.n, 2)

  const stepper = createStepper(twice as unknown as Logic)
  let { tree } = stepper.begin(undefined, 0)
  for (let n = 0; n < 2; n++) tree = stepper.step(tree, { to: 'root', event: { type: 'arm' } }, 0).tree
  assert.is(Object.keys(tree.timers).length, 1)
})

const dismissed = () => {
  const child = setup({}).createMachine({
    initial: 'on',
    states: { on: { on: { end: { target: 'off', actions: sendParent({ type: 'leave' }) } } }, off: { type: 'final' } },
  })
  return setup({ types: { context: {} as { heard: number } }, actors: { child } }).createMachine({
    context: { heard: 0 },
    initial: 'busy',
    on: { 'xstate.done.actor.c': { actions: assign({ heard: ({ context }) => context.heard + 1 }) } },
    states: {
      busy: { invoke: { src: 'child', id: 'c' }, on: { tell: { actions: sendTo('c', { type: 'end' }) }, leave: 'idle' } },
      idle: {},
    },
  })
}

test('on purpose: a child that is stopped while busy reports no end, where a live one does', () => {
  const live = createActor(dismissed()).start()
  ;(live.getSnapshot().children as Record<string, AnyActorRef>).c?.send({ type: 'end' })
  assert.is(live.getSnapshot().context.heard, 1)

  const stepper = createStepper(dismissed() as unknown as Logic)
  const { tree } = stepper.begin(undefined, 0)
  const after = stepper.step(tree, { to: 'root/c', event: { type: 'end' } }, 0).tree
  assert.equal((after.actors.root as MachineRecord).context, { heard: 0 })
})

test.run()
