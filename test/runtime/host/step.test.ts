/** Every row of "What each construct becomes" in notes/actors.md, section 3. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  type AnyStateMachine,
  assign,
  cancel,
  emit,
  fromCallback,
  fromPromise,
  fromTransition,
  log,
  raise,
  sendParent,
  sendTo,
  setup,
  spawnChild,
  stopChild,
} from 'xstate'
import { createStepper, StepFailed } from '../../../runtime/host/step.ts'
import type { Envelope, Event, MachineRecord, Step, Tree } from '../../../runtime/host/tree.ts'
import type { Logic } from '../../../runtime/host/xstate.ts'

const slot = fromPromise(() => Promise.reject(new Error('must not run')))
const listener = fromCallback(() => {})

function host(machine: AnyStateMachine, options: { limit?: number; isLive?: (type: string) => boolean } = {}) {
  const stepper = createStepper(machine as unknown as Logic, options)
  let step = stepper.begin(undefined, 0)
  const send = (envelope: Envelope, now = 0): Step => (step = stepper.step(JSON.parse(JSON.stringify(step.tree)) as Tree, envelope, now))
  return {
    first: step,
    get step() {
      return step
    },
    get tree() {
      return step.tree
    },
    send,
    hear: (type: string, now = 0) => send({ to: 'root', event: { type } }, now),
    value: (addr = 'root') => (step.tree.actors[addr] as MachineRecord | undefined)?.value,
    context: (addr = 'root') => (step.tree.actors[addr] as MachineRecord).context as Record<string, unknown>,
    born: (addr: string) => step.tree.actors[addr]?.born as string,
  }
}

const failsTheStep = (error: unknown) => error instanceof StepFailed

const child = setup({ actors: { slot } }).createMachine({
  id: 'child',
  initial: 'on',
  context: ({ input }) => ({ given: input }),
  states: { on: { invoke: { src: 'slot', id: 'work', onDone: 'off' }, on: { end: 'off' }, after: { 100: 'off' } }, off: { type: 'final' } },
  output: 7,
})

const nursery = (inner: AnyStateMachine = child) =>
  setup({ actors: { child: inner, slot, listener } }).createMachine({
    initial: 'busy',
    context: { heard: [] as unknown[] },
    states: {
      busy: {
        invoke: {
          src: 'child',
          id: 'c',
          input: { a: 1 },
          onDone: { target: 'idle', actions: assign({ heard: ({ context, event }) => [...context.heard, event.output] }) },
          onError: 'failed',
        },
        on: { leave: 'idle', again: { target: 'busy', reenter: true }, tell: { actions: sendTo('c', { type: 'end' }) } },
      },
      idle: { on: { back: 'busy' } },
      failed: {},
    },
  })

test('an invoked machine is a record at parent/id, booted at once with its input', () => {
  const { tree, step } = host(nursery())
  assert.equal(Object.keys(tree.actors), ['root', 'root/c', 'root/c/work'])
  assert.equal((tree.actors['root/c'] as MachineRecord).context, { given: { a: 1 } })
  assert.equal(
    step.calls.map(({ addr, src }) => [addr, src]),
    [['root/c/work', 'slot']],
  )
})

test('an invoked promise is a record of running work, and its input is in the call only', () => {
  const machine = setup({ actors: { slot } }).createMachine({ invoke: { src: 'slot', id: 'w', input: { secret: 1 } } })
  const { tree, step } = host(machine)
  assert.equal(tree.actors['root/w'], { call: true, status: 'active', born: step.calls[0]?.id as string, src: 'slot' })
  assert.equal(step.calls[0]?.input, { secret: 1 })
})

test('fromTransition is pure: a record like that of a machine', () => {
  const counter = fromTransition((state: { n: number }, event: { type: string }) => (event.type === 'up' ? { n: state.n + 1 } : state), {
    n: 0,
  })
  const machine = setup({ actors: { counter } }).createMachine({
    invoke: { src: 'counter', id: 'n' },
    on: { up: { actions: sendTo('n', { type: 'up' }) } },
  })
  const h = host(machine)
  h.hear('up')
  assert.equal(h.context('root/n'), { n: 1 })
})

test('a child spawned and stopped in one macrostep never was', () => {
  const machine = setup({ actors: { slot, child } }).createMachine({
    initial: 'a',
    states: {
      a: { on: { go: 'b' } },
      b: {
        invoke: [
          { src: 'slot', id: 'w' },
          { src: 'child', id: 'c' },
        ],
        always: 'z',
      },
      z: {},
    },
  })
  const step = host(machine).hear('go')
  assert.equal(Object.keys(step.tree.actors), ['root'])
  assert.equal([step.calls, step.cancels, step.timers, step.disarms], [[], [], [], []])
})

test('spawn() in an assign begins like any other child', () => {
  const machine = setup({ actors: { slot, child } }).createMachine({
    on: { go: { actions: assign(({ spawn }) => (spawn('child', { id: 'made', input: 5 }), {})) } },
  })
  const h = host(machine)
  h.hear('go')
  assert.equal(h.context('root/made'), { given: 5 })
})

test('an actor that is kept in a context fails the step', () => {
  const machine = setup({ actors: { slot } }).createMachine({
    context: {},
    on: { go: { actions: assign(({ spawn }) => ({ ref: spawn('slot', { id: 'made' }) })) } },
  })
  assert.throws(() => host(machine).hear('go'), /keep its id instead/)
})

test('re-entry is a new incarnation at the same address, which the old answer does not fit', () => {
  const h = host(nursery())
  const [old, call] = [h.born('root/c'), h.born('root/c/work')]
  const step = h.hear('again')
  assert.is.not(h.born('root/c'), old)
  assert.equal(step.cancels, [call])
  const late = h.send({ call, output: 1 })
  assert.is(late.drops.length, 1)
  assert.is(h.value(), 'busy')
})

test('leaving takes the child, everything below it, its work and its timers along', () => {
  const h = host(nursery())
  const [call, timer] = [h.born('root/c/work'), Object.values(h.tree.timers)[0]?.id]
  const step = h.hear('leave')
  assert.equal(Object.keys(step.tree.actors), ['root'])
  assert.equal([step.cancels, step.disarms], [[call], [timer]])
  assert.equal(step.tree.timers, {})
})

test('stopChild stops a child, and nobody when there is none', () => {
  const machine = setup({ actors: { slot } }).createMachine({ invoke: { src: 'slot', id: 'w' }, on: { go: { actions: stopChild('w') } } })
  const h = host(machine)
  assert.is(h.hear('go').cancels.length, 1)
  assert.is(h.hear('go').cancels.length, 0)
})

test('after is a timer of its owner, counted from the now of the step', () => {
  const machine = setup({}).createMachine({ id: 'm', initial: 'a', states: { a: { on: { go: 'b' } }, b: { after: { 50: 'c' } }, c: {} } })
  const h = host(machine)
  const [timer] = h.hear('go', 1_000).timers
  assert.equal([timer?.owner, timer?.to, timer?.at], ['root', 'root', 1_050])
  h.send({ timer: timer?.id as string }, 1_050)
  assert.is(h.value(), 'c')
})

test('a timer that is no longer in the tree is dropped and told', () => {
  const h = host(nursery())
  const timer = Object.values(h.tree.timers)[0]?.id as string
  h.hear('leave')
  assert.equal(h.send({ timer }).drops, [{ addr: 'root', envelope: { timer } }])
})

test('a delayed raise is a timer, under its own id', () => {
  const machine = setup({}).createMachine({
    on: { go: { actions: raise({ type: 'x' }, { delay: 5, id: 'mine' }) }, never: { actions: cancel('mine') } },
  })
  const h = host(machine)
  h.hear('go')
  assert.equal(Object.keys(h.tree.timers), ['root#mine'])
  assert.is(h.hear('never').disarms.length, 1)
})

test('a delayed send is a timer of the sender, and firing at somebody who is gone is a drop', () => {
  const machine = setup({ actors: { child } }).createMachine({
    initial: 'a',
    states: {
      a: { invoke: { src: 'child', id: 'c' }, on: { go: { actions: sendTo('c', { type: 'end' }, { delay: 5 }) }, leave: 'b' } },
      b: {},
    },
  })
  const h = host(machine)
  const timer = h.hear('go').timers.find(({ to }) => to === 'root/c')
  assert.is(timer?.owner, 'root')
  h.hear('leave')
  const { drops } = h.send({ timer: timer?.id as string }, 5)
  assert.equal(
    drops.map(({ addr, event }) => [addr, event?.type]),
    [['root/c', 'end']],
  )
})

test('a delayed send does not reach the successor of whom it was meant for', () => {
  const machine = setup({ actors: { child } }).createMachine({
    initial: 'a',
    states: {
      a: {
        invoke: { src: 'child', id: 'c' },
        on: { go: { actions: sendTo('c', { type: 'end' }, { delay: 5 }) }, again: { target: 'a', reenter: true } },
      },
    },
  })
  const h = host(machine)
  const timer = h.hear('go').timers.find(({ to }) => to === 'root/c')
  h.hear('again')
  assert.is(h.send({ timer: timer?.id as string }, 5).drops.length, 1)
  assert.is(h.value('root/c'), 'on')
})

test('two delayed sends without an id are two timers', () => {
  const machine = setup({ actors: { child } }).createMachine({
    invoke: { src: 'child', id: 'c' },
    on: { go: { actions: [sendTo('c', { type: 'x' }, { delay: 5 }), sendTo('c', { type: 'x' }, { delay: 5 })] } },
  })
  assert.is(host(machine).hear('go').timers.length, 2)
})

test('a name armed again replaces the first, unlike in a live system', () => {
  const machine = setup({}).createMachine({
    context: { n: 0 },
    on: { go: { actions: raise({ type: 'x' }, { delay: 5, id: 'mine' }) }, x: { actions: assign({ n: ({ context }) => context.n + 1 }) } },
  })
  const h = host(machine)
  const [first] = h.hear('go').timers
  const { timers, disarms } = h.hear('go', 1)
  assert.equal([timers.length, disarms], [1, [first?.id]])
})

test('a raise without delay has happened already', () => {
  const machine = setup({}).createMachine({
    initial: 'a',
    states: { a: { on: { go: { actions: raise({ type: 'on' }) }, on: 'b' } }, b: {} },
  })
  const h = host(machine)
  assert.equal(h.hear('go').timers, [])
  assert.is(h.value(), 'b')
})

test('sendTo and sendParent are deliveries within the step', () => {
  const talker = setup({}).createMachine({ on: { end: { actions: sendParent({ type: 'leave' }) } } })
  const h = host(nursery(talker as never))
  const { v } = h.tree
  h.hear('tell')
  assert.is(h.value(), 'idle')
  assert.is(h.tree.v, v + 1)
})

test('a child spawned in this very macrostep can be sent to', () => {
  const machine = setup({ actors: { child } }).createMachine({
    on: { go: { actions: [spawnChild('child', { id: 'c' }), sendTo('c', { type: 'end' })] } },
  })
  const h = host(machine)
  h.hear('go')
  assert.is((h.tree.actors['root/c'] as MachineRecord).status, 'done')
})

test('sendParent from the root fails the step', () => {
  const machine = setup({}).createMachine({ on: { go: { actions: sendParent({ type: 'x' }) } } })
  assert.throws(() => host(machine).hear('go'), failsTheStep)
})

test('emit is something to tell, numbered unless it is live', () => {
  const machine = setup({ types: { emitted: {} as { type: 'kept' } | { type: 'live' } } }).createMachine({
    on: { go: { actions: [emit({ type: 'kept' }), emit({ type: 'live' }), emit({ type: 'kept' })] } },
  })
  const h = host(machine, { isLive: (type) => type === 'live' })
  assert.equal(h.hear('go', 9).emits, [
    { addr: 'root', seq: 1, event: { type: 'kept' } },
    { addr: 'root', event: { type: 'live', at: 9 } },
    { addr: 'root', seq: 2, event: { type: 'kept' } },
  ])
  assert.is(h.tree.seq, 2)
})

test('a custom action is an entry with its params, and its function is not called', () => {
  const machine = setup({ actions: { write: (_, __: { a: number }) => assert.unreachable('called') } }).createMachine({
    on: { go: { actions: { type: 'write', params: { a: 1 } } } },
  })
  const step = host(machine).hear('go')
  assert.equal(
    step.entries.map(({ type, params, addr }) => [type, params, addr]),
    [['write', { a: 1 }, 'root']],
  )
})

test('an inline action cannot be stored and fails the step', () => {
  const machine = setup({}).createMachine({ on: { go: { actions: () => {} } } })
  assert.throws(() => host(machine).hear('go'), /name it in setup/)
})

test('log is ignored', () => {
  const machine = setup({}).createMachine({ on: { go: { actions: log('x') } } })
  assert.equal(host(machine).hear('go').entries, [])
})

test('an answer ends its work and reaches the parent as done', () => {
  const h = host(nursery())
  const step = h.send({ call: h.born('root/c/work'), output: 'x' })
  assert.equal(h.context().heard, [7])
  assert.is(h.value(), 'idle')
  assert.equal(step.cancels, [], 'work that told its own end is not cancelled')
})

test('a failure reaches the parent as an error, and a fault keeps its kind', () => {
  let seen: unknown
  const machine = setup({ actors: { slot } }).createMachine({
    context: {} as { why?: unknown },
    invoke: { src: 'slot', id: 'w', onError: { actions: assign({ why: ({ event }) => (seen = event.error) }) } },
  })
  const h = host(machine)
  h.send({ call: h.born('root/w'), error: Object.assign(new Error('no'), { kind: 'overloaded' }) })
  assert.equal(seen, { name: 'Error', message: 'no', kind: 'overloaded' })
})

test('a progress event reaches the parent and the work goes on', () => {
  const machine = setup({ actors: { slot } }).createMachine({
    context: { n: 0 },
    invoke: { src: 'slot', id: 'w' },
    on: { half: { actions: assign({ n: 1 }) } },
  })
  const h = host(machine)
  h.send({ call: h.born('root/w'), event: { type: 'half' } })
  assert.is(h.context().n, 1)
  assert.is(h.tree.actors['root/w']?.status, 'active')
})

test('an event for running work is told to it', () => {
  const machine = setup({ actors: { listener } }).createMachine({
    invoke: { src: 'listener', id: 'l' },
    on: { go: { actions: sendTo('l', { type: 'hi' }) } },
  })
  const h = host(machine)
  assert.equal(
    h.hear('go').tells.map(({ event }) => event.type),
    ['hi'],
  )
})

test('an event for nobody is dropped and told', () => {
  assert.equal(
    host(nursery())
      .send({ to: 'root/nobody', event: { type: 'x' } })
      .drops.map(({ addr }) => addr),
    ['root/nobody'],
  )
})

const throwing = setup({ actors: { slot }, types: { emitted: {} as { type: 'said' } } }).createMachine({
  initial: 'on',
  states: {
    on: {
      invoke: { src: 'slot', id: 'work' },
      after: { 10: 'on' },
      on: {
        end: {
          actions: [
            emit({ type: 'said' }),
            assign(() => {
              throw new TypeError('broken')
            }),
          ],
        },
      },
    },
  },
})

test('a child that throws is an error: nothing it said counts, what was below it is gone, its parent is told', () => {
  const h = host(nursery(throwing as never))
  const step = h.hear('tell')
  assert.equal(step.emits, [])
  assert.is(h.value(), 'failed')
  assert.is(step.cancels.length, 1)
  assert.is(step.disarms.length, 1)
})

test('an error event that a child does not handle goes the same way up', () => {
  const h = host(nursery())
  h.send({ call: h.born('root/c/work'), error: { message: 'no' } })
  assert.is(h.value(), 'failed')
})

test('a root that fails fails the step, and the old tree still stands', () => {
  const machine = setup({}).createMachine({
    context: { n: 0 },
    on: {
      go: {
        actions: assign(() => {
          throw new TypeError('broken')
        }),
      },
    },
  })
  const stepper = createStepper(machine as unknown as Logic)
  const { tree } = stepper.begin(undefined, 0)
  const before = JSON.stringify(tree)
  assert.throws(() => stepper.step(tree, { to: 'root', event: { type: 'go' } }, 0), /broken/)
  assert.is(JSON.stringify(tree), before)
})

test('a final state stops the children and takes the timers', () => {
  const machine = setup({ actors: { slot } }).createMachine({
    initial: 'a',
    invoke: { src: 'slot', id: 'w' },
    states: { a: { on: { end: 'z' } }, z: { type: 'final' } },
    on: { arm: { actions: raise({ type: 'x' }, { delay: 9, id: 'mine' }) } },
  })
  const h = host(machine)
  h.hear('arm')
  const step = h.hear('end')
  assert.equal([step.cancels.length, step.disarms.length], [1, 1])
  assert.equal(Object.keys(step.tree.actors), ['root'])
})

test('history survives as ids', () => {
  const machine = setup({}).createMachine({
    initial: 'on',
    states: {
      on: { initial: 'a', states: { a: { on: { next: 'b' } }, b: {}, last: { type: 'history' } }, on: { off: 'off' } },
      off: { on: { on: 'on.last' } },
    },
  })
  const h = host(machine)
  for (const type of ['next', 'off', 'on']) h.hear(type)
  assert.equal(h.value(), { on: 'b' })
})

test('onSnapshot hears every step of the child', () => {
  const counter = setup({}).createMachine({ context: { n: 0 }, on: { up: { actions: assign({ n: ({ context }) => context.n + 1 }) } } })
  const machine = setup({ actors: { counter } }).createMachine({
    context: { seen: [] as number[] },
    invoke: {
      src: 'counter',
      id: 'n',
      onSnapshot: { actions: assign({ seen: ({ context, event }) => [...context.seen, event.snapshot.context.n] }) },
    },
    on: { up: { actions: sendTo('n', { type: 'up' }) } },
  })
  const h = host(machine)
  h.hear('up')
  assert.equal((h.context().seen as number[]).at(-1), 1)
})

test('a parent that stops us while we carry out our list: we still tell others, but arm and begin nothing, and report no end', () => {
  const talker = setup({ actors: { slot }, types: { emitted: {} as { type: 'said' } } }).createMachine({
    initial: 'on',
    states: {
      on: {
        on: {
          end: {
            target: 'off',
            actions: [
              sendParent({ type: 'leave' }),
              emit({ type: 'said' }),
              raise({ type: 'x' }, { delay: 5 }),
              spawnChild('slot', { id: 's' }),
            ],
          },
        },
      },
      off: { type: 'final' },
    },
  })
  const h = host(nursery(talker as never))
  const step = h.hear('tell')
  assert.equal(
    step.emits.map(({ event }) => event.type),
    ['said'],
  )
  assert.equal([step.timers, step.calls], [[], []])
  assert.equal(Object.keys(step.tree.actors), ['root'])
  assert.equal([h.value(), h.context().heard], ['idle', []])
})

test('a child needs known logic and an id without / or #', () => {
  for (const actions of [
    spawnChild('slot', { id: 'a/b' }),
    spawnChild('slot', { id: 'a#b' }),
    spawnChild('slot'),
    spawnChild(slot as never, { id: 'inline' } as never),
  ]) {
    const machine = setup({ actors: { slot } }).createMachine({ on: { go: { actions: actions as never } } })
    assert.throws(() => host(machine).hear('go'), failsTheStep)
  }
})

test('a loop of messages fails the step', () => {
  const ping = setup({}).createMachine({ on: { ping: { actions: sendParent({ type: 'pong' }) } } })
  const machine = setup({ actors: { ping } }).createMachine({
    invoke: { src: 'ping', id: 'p' },
    on: { pong: { actions: sendTo('p', { type: 'ping' }) } },
  })
  assert.throws(() => host(machine, { limit: 100 }).hear('pong'), /more than 100 messages/)
})

test('a state that this code does not know throws and changes nothing', () => {
  const stepper = createStepper(nursery() as unknown as Logic)
  const { tree } = stepper.begin(undefined, 0)
  const old = { ...tree, actors: { ...tree.actors, root: { ...tree.actors.root, value: 'renamed' } as MachineRecord } }
  assert.throws(() => stepper.step(old, { to: 'root', event: { type: 'x' } }, 0), /renamed/)
})

test('every delivered event says when, unless it says so already', () => {
  const machine = setup({}).createMachine({
    context: { at: 0 },
    on: { go: { actions: assign({ at: ({ event }) => (event as unknown as { at: number }).at }) } },
  })
  const h = host(machine)
  h.hear('go', 42)
  assert.is(h.context().at, 42)
  h.send({ to: 'root', event: { type: 'go', at: 7 } as Event }, 43)
  assert.is(h.context().at, 7)
})

test('a birth and its first event are one step', () => {
  const stepper = createStepper(nursery() as unknown as Logic)
  const { tree, calls } = stepper.begin(undefined, 0, { to: 'root', event: { type: 'leave' } })
  assert.equal([tree.v, (tree.actors.root as MachineRecord).value, calls], [1, 'idle', []])
})

test.run()
