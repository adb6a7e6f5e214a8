/** What runtime/host/xstate.ts leans on. When a new xstate fails here, read that file again before moving the pin. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { readFile } from 'node:fs/promises'
import {
  Actor,
  type AnyActorLogic,
  StateMachine,
  assign,
  cancel,
  createActor,
  emit,
  enqueueActions,
  fromCallback,
  fromObservable,
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

interface Seen {
  type: string
  // The params are what this file is about: their shape belongs to xstate.
  params: Record<string, unknown> | undefined
  exec: unknown
}

const slot = fromPromise(() => Promise.reject(new Error('must not run')))

function scope(children: Record<string, unknown> = {}) {
  const actions: Seen[] = []
  const asked: string[] = []
  const stub = (id: string) => ({
    id,
    addr: `root/${id}`,
    sessionId: id,
    ref: undefined,
    getSnapshot: () => ({}),
    send: () => assert.unreachable('nothing is sent'),
  })
  const system = new Proxy(
    {
      get: () => undefined,
      _bookId: () => '?',
      _register() {},
      _unregister() {},
      _set() {},
      _relay() {},
      _sendInspectionEvent() {},
    } as Record<string, unknown>,
    {
      get(target, name) {
        asked.push(String(name))
        return target[String(name)]
      },
    },
  )
  const self = { ...stub('root'), system, _parent: stub('parent') }
  const given = {
    self,
    id: 'root',
    sessionId: 'root',
    system,
    actionExecutor: (action: Seen) => actions.push(action),
    logger() {},
    defer() {},
    emit() {},
    stopChild() {},
  }
  return { given: given as never, actions, asked, children, stub }
}

function step(machine: AnyActorLogic, event: { type: string }, children: string[] = []) {
  const start = scope()
  const first = machine.getInitialSnapshot(start.given, undefined)
  const { children: _, ...kept } = machine.getPersistedSnapshot({ ...first, children: {} } as never) as unknown as { children: unknown }
  const now = scope()
  const restored = machine.restoreSnapshot?.(JSON.parse(JSON.stringify({ ...kept, children: {} })) as never, now.given) as {
    children: Record<string, unknown>
  }
  for (const id of children) restored.children[id] = now.stub(id)
  const next = machine.transition(restored, event as never, now.given)
  return { first, start, next: next as { value?: unknown; context?: unknown; children: Record<string, unknown> }, ...now }
}

const only = (actions: Seen[], type: string) => {
  const found = actions.filter((action) => action.type === type)
  assert.is(found.length, 1, `one ${type} among ${actions.map((one) => one.type).join(', ')}`)
  return found[0] as Seen
}

test('the pinned xstate is installed', async () => {
  const { version } = JSON.parse(await readFile(new URL('../../../node_modules/xstate/package.json', import.meta.url), 'utf8')) as {
    version: string
  }
  assert.match(version, /^5\.33\./)
})

test('a machine is a StateMachine and has the four functions of ActorLogic', () => {
  const machine = setup({}).createMachine({})
  assert.instance(machine, StateMachine)
  for (const name of ['getInitialSnapshot', 'restoreSnapshot', 'transition', 'getPersistedSnapshot'] as const)
    assert.type(machine[name], 'function')
})

test('what runs has a start, and what is pure does not, except a machine', () => {
  for (const work of [slot, fromCallback(() => {}), fromObservable(() => ({ subscribe: () => ({ unsubscribe() {} }) }) as never)])
    assert.type((work as { start?: unknown }).start, 'function')
  assert.is((fromTransition((state) => state, {}) as { start?: unknown }).start, undefined)
})

test('an invoke becomes a spawnChild whose actorRef is a throw-away Actor with id, src, input', () => {
  const machine = setup({ actors: { slot } }).createMachine({ invoke: { src: 'slot', id: 'work', input: { a: 1 } } })
  const { start } = step(machine, { type: 'x' })
  const ref = only(start.actions, 'xstate.spawnChild').params?.actorRef as Actor<never>
  assert.instance(ref, Actor)
  assert.is(ref.id, 'work')
  assert.is(ref.src, 'slot')
  assert.equal(ref.options.input, { a: 1 })
})

test('onSnapshot is seen as _syncSnapshot of the child', () => {
  const child = setup({}).createMachine({})
  const machine = setup({ actors: { child } }).createMachine({ invoke: { src: 'child', id: 'c', onSnapshot: {} } })
  const { start } = step(machine, { type: 'x' })
  assert.is((only(start.actions, 'xstate.spawnChild').params?.actorRef as { _syncSnapshot: boolean })._syncSnapshot, true)
})

test('a systemId travels with the child', () => {
  const machine = setup({ actors: { slot } }).createMachine({ invoke: { src: 'slot', id: 'work', systemId: 'the-work' } as never })
  assert.is(
    (only(step(machine, { type: 'x' }).start.actions, 'xstate.spawnChild').params?.actorRef as { systemId: string }).systemId,
    'the-work',
  )
})

test('leaving an invoking state lists stopChild with the reference itself as params', () => {
  const machine = setup({ actors: { slot } }).createMachine({
    initial: 'a',
    states: { a: { invoke: { src: 'slot', id: 'work' }, on: { go: 'b' } }, b: {} },
  })
  const { actions } = step(machine, { type: 'go' }, ['work'])
  assert.is(only(actions, 'xstate.stopChild').params?.id, 'work')
})

test('stopChild of nobody has no params', () => {
  const machine = setup({}).createMachine({ on: { go: { actions: stopChild('nobody') } } })
  assert.is(only(step(machine, { type: 'go' }).actions, 'xstate.stopChild').params, undefined)
})

test('a child spawned and stopped in one macrostep is listed twice with the same reference', () => {
  const machine = setup({ actors: { slot } }).createMachine({
    initial: 'a',
    states: { a: { on: { go: 'b' } }, b: { invoke: { src: 'slot', id: 'work' }, always: 'c' }, c: {} },
  })
  const { actions } = step(machine, { type: 'go' })
  assert.is(only(actions, 'xstate.spawnChild').params?.actorRef, only(actions, 'xstate.stopChild').params)
})

test('spawn() in an assign is announced by no action and found among the children', () => {
  const machine = setup({ actors: { slot } }).createMachine({
    on: { go: { actions: assign(({ spawn }) => (spawn('slot', { id: 'made' }), {})) } },
  })
  const { actions, next } = step(machine, { type: 'go' })
  assert.equal(
    actions.filter(({ type }) => type === 'xstate.spawnChild'),
    [],
  )
  assert.instance(next.children.made, Actor)
})

test('spawnChild may have a function for an id; the reference knows the answer', () => {
  const machine = setup({ actors: { slot } }).createMachine({ on: { go: { actions: spawnChild('slot', { id: () => 'made' }) } } })
  assert.is((only(step(machine, { type: 'go' }).actions, 'xstate.spawnChild').params?.actorRef as { id: string }).id, 'made')
})

test('a child without logic or without an id has the name of _bookId', () => {
  const machine = setup({ actors: { slot } }).createMachine({ on: { go: { actions: assign(({ spawn }) => (spawn('slot'), {})) } } })
  assert.ok('?' in step(machine, { type: 'go' }).next.children)
})

test('after becomes a raise with a numeric delay, an id and an event of the same name', () => {
  const machine = setup({ delays: { patience: 30_000 } }).createMachine({
    id: 'm',
    initial: 'a',
    states: { a: { after: { patience: 'b' }, on: { go: 'b' } }, b: {} },
  })
  const { start, actions } = step(machine, { type: 'go' })
  const { params } = only(start.actions, 'xstate.raise')
  assert.equal(
    { id: params?.id, delay: params?.delay, event: params?.event },
    { id: 'xstate.after.patience.m.a', delay: 30_000, event: { type: 'xstate.after.patience.m.a' } },
  )
  assert.is(only(actions, 'xstate.cancel').params?.sendId, 'xstate.after.patience.m.a')
})

test('a plain raise is listed without a delay and is processed already', () => {
  const machine = setup({}).createMachine({
    initial: 'a',
    states: { a: { on: { go: { actions: raise({ type: 'on' }) }, on: 'b' } }, b: {} },
  })
  const { actions, next } = step(machine, { type: 'go' })
  assert.is(typeof only(actions, 'xstate.raise').params?.delay, 'undefined')
  assert.is(next.value, 'b')
})

test('a delayed raise and a delayed send carry delay, id and event; a send carries its target', () => {
  const machine = setup({ actors: { slot } }).createMachine({
    on: {
      go: {
        actions: [
          raise({ type: 'later' }, { delay: 5, id: 'mine' }),
          sendTo('work', { type: 'hi' }),
          sendTo('work', { type: 'ho' }, { delay: 7 }),
          cancel('mine'),
        ],
      },
    },
  })
  const { actions } = step(machine, { type: 'go' }, ['work'])
  assert.is(only(actions, 'xstate.raise').params?.id, 'mine')
  const [now, soon] = actions.filter(({ type }) => type === 'xstate.sendTo')
  assert.equal(
    [(now?.params?.to as { addr: string }).addr, now?.params?.delay, now?.params?.event],
    ['root/work', undefined, { type: 'hi' }],
  )
  assert.is(soon?.params?.delay, 7)
  assert.is(only(actions, 'xstate.cancel').params?.sendId, 'mine')
})

test('sendParent is a send to self._parent', () => {
  const machine = setup({}).createMachine({ on: { go: { actions: sendParent({ type: 'hi' }) } } })
  assert.is((only(step(machine, { type: 'go' }).actions, 'xstate.sendTo').params?.to as { id: string }).id, 'parent')
})

test('emit and log are listed; assign and enqueueActions are resolved already', () => {
  const machine = setup({ types: { emitted: {} as { type: 'told' } }, actions: { named: () => {} } }).createMachine({
    context: { n: 0 },
    on: {
      go: { actions: [assign({ n: 1 }), emit({ type: 'told' }), log('x'), enqueueActions(({ enqueue }) => enqueue({ type: 'named' }))] },
    },
  })
  const { actions, next } = step(machine, { type: 'go' })
  assert.equal(
    actions.map(({ type }) => type).filter((type) => type !== 'xstate.init'),
    ['xstate.emit', 'xstate.log', 'named'],
  )
  assert.equal(only(actions, 'xstate.emit').params?.event, { type: 'told' })
  assert.equal(next.context, { n: 1 })
})

test('a custom action comes with its params and the function of setup(), which nobody calls', () => {
  let ran = false
  const machine = setup({ actions: { write: (_, __: { a: number }) => void (ran = true) } }).createMachine({
    on: { go: { actions: { type: 'write', params: { a: 1 } } } },
  })
  const action = only(step(machine, { type: 'go' }).actions, 'write')
  assert.equal(action.params, { a: 1 })
  assert.is(action.exec, machine.implementations.actions.write)
  assert.is(ran, false)
})

test('history nodes become ids when persisted, and nodes again when restored', () => {
  const machine = setup({}).createMachine({
    id: 'm',
    initial: 'on',
    states: {
      on: { initial: 'a', states: { a: { on: { next: 'b' } }, b: {}, last: { type: 'history' } }, on: { off: 'off' } },
      off: { on: { on: 'on.last' } },
    },
  })
  let kept: unknown = machine.getPersistedSnapshot(machine.getInitialSnapshot(scope().given, undefined))
  for (const type of ['next', 'off', 'on']) {
    const here = scope()
    const snapshot = machine.restoreSnapshot(JSON.parse(JSON.stringify(kept)) as never, here.given)
    kept = machine.getPersistedSnapshot(machine.transition(snapshot as never, { type }, here.given))
  }
  assert.equal((kept as { value: unknown }).value, { on: 'b' })
})

test('a state that the machine does not know throws when restored', () => {
  const machine = setup({}).createMachine({ initial: 'a', states: { a: {} } })
  assert.throws(
    () => machine.restoreSnapshot({ status: 'active', value: 'old', context: {}, historyValue: {}, children: {} } as never, scope().given),
    /old/,
  )
})

test('an error event that nobody handles makes the machine an error', () => {
  const machine = setup({ actors: { slot } }).createMachine({ invoke: { src: 'slot', id: 'work' } })
  const { next } = step(machine, { type: 'xstate.error.actor.work', error: new Error('no'), actorId: 'work' } as never, ['work'])
  assert.is((next as { status?: string }).status, 'error')
})

test('a throw in an action comes out of transition', () => {
  const machine = setup({}).createMachine({
    on: {
      go: {
        actions: assign(() => {
          throw new Error('no')
        }),
      },
    },
  })
  assert.throws(() => step(machine, { type: 'go' }), /no/)
})

test('reaching the end lists stopChild for the children that are left', () => {
  const machine = setup({ actors: { slot } }).createMachine({
    initial: 'a',
    invoke: { src: 'slot', id: 'work' },
    states: { a: { on: { go: 'z' } }, z: { type: 'final' } },
    output: { ok: true },
  })
  const { actions, next } = step(machine, { type: 'go' }, ['work'])
  assert.is(only(actions, 'xstate.stopChild').params?.id, 'work')
  assert.equal(
    { ...(next as object), children: 0 } as unknown as { status: string; output: unknown },
    Object.assign({ ...(next as object) }, { status: 'done', output: { ok: true }, children: 0 }) as never,
  )
})

test('an actor reference in the context is told by its mark when it becomes JSON', () => {
  const machine = setup({ actors: { slot } }).createMachine({ context: ({ spawn }) => ({ ref: spawn('slot', { id: 'made' }) }) })
  const snapshot = machine.getInitialSnapshot(scope().given, undefined)
  assert.match(JSON.stringify(machine.getPersistedSnapshot({ ...snapshot, children: {} } as never)), /"xstate\$\$type"/)
})

test('the system is asked for no name that our stand-in lacks', () => {
  const child = setup({}).createMachine({})
  const machine = setup({ actors: { slot, child } }).createMachine({
    initial: 'a',
    states: {
      a: { invoke: [{ src: 'slot', id: 'work', systemId: 's' } as never, { src: 'child', id: 'c' }], on: { go: 'b' }, after: { 10: 'b' } },
      b: { entry: sendTo('x', { type: 'hi' }, { delay: 3 }) },
    },
  })
  // The last two are read and may be absent.
  const known = new Set(['get', '_bookId', '_register', '_unregister', '_set', '_relay', '_sendInspectionEvent', '_logger', '_clock'])
  const { asked, start } = step(machine, { type: 'go' }, ['work', 'c', 'x'])
  assert.equal(
    [...new Set([...asked, ...start.asked])].filter((name) => !known.has(name)),
    [],
  )
})

test('the events of children are named as the host names them', () => {
  const heard: string[] = []
  const child = setup({}).createMachine({ initial: 'z', states: { z: { type: 'final' } }, output: 7 })
  const machine = setup({ actors: { child } }).createMachine({
    initial: 'a',
    states: {
      a: {
        invoke: { src: 'child', id: 'c' },
        on: {
          '*': {
            actions: ({ event }) =>
              void heard.push(`${event.type} ${(event as { output?: number }).output} ${(event as { actorId?: string }).actorId}`),
          },
        },
      },
    },
  })
  createActor(machine).start()
  assert.equal(heard, ['xstate.done.actor.c 7 c'])
})

test.run()
