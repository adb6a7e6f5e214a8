/**
 * The only file that knows xstate from the inside (5.33). It drives machines as pure functions through the ActorLogic contract:
 * `getInitialSnapshot`, `restoreSnapshot`, `transition`, with an ActorScope of ours that collects actions and performs nothing.
 * These are exported but not documented; test/runtime/host/xstate.test.ts fails loudly when a new release changes them.
 */
import { Actor, type AnyActorLogic, StateMachine } from 'xstate'
import { type Address, type Event, idOf, type MachineRecord, parentOf, type Tree } from './tree.ts'

export type Logic = AnyActorLogic

/** What a machine asked for, in order; nothing in `exec` is ever called. */
export interface Action {
  type: string
  // The shapes of xstate's own actions are read in `asks` below, and only there.
  params: Params | undefined
  exec?: unknown
}

interface Params {
  id?: string
  delay?: number
  event?: Event
  sendId?: string
  actorRef?: Child
  to?: { addr?: Address; id: string }
  [key: string]: unknown
}

/** The throw-away Actor that xstate builds for every child it spawns: we only read what was asked for. */
interface Child {
  id: string
  src: unknown
  systemId?: string
  _syncSnapshot?: boolean
  options: { input?: unknown }
}

export interface Spawn {
  id: string
  src: unknown
  systemId: string | undefined
  sync: boolean | undefined
  input: unknown
}

/** One thing to do, with xstate's own vocabulary translated. */
export type Ask =
  | { kind: 'spawn'; child: Spawn }
  | { kind: 'stop'; id: string }
  | { kind: 'later'; to: Address | undefined; id: string | undefined; delay: number; event: Event }
  | { kind: 'cancel'; id: string }
  | { kind: 'send'; to: Address; event: Event }
  | { kind: 'emit'; event: Event }
  | { kind: 'custom'; type: string; params: unknown; exec: unknown }

export interface Moved {
  record: Omit<MachineRecord, 'born' | 'src' | 'systemId' | 'sync'>
  asks: Ask[]
}

/** xstate gives this id to a child whose logic it cannot find. */
export const NAMELESS = '?'

/** An error as JSON; a fault keeps the `kind` by which charts decide. */
export function plainError(error: unknown): unknown {
  if (!(error instanceof Error)) return error
  const { name, message, kind } = error as Error & { kind?: unknown }
  return { name, message, ...(typeof kind === 'string' && { kind }) }
}

/** Machines and `fromTransition` run inside the step; everything with a `start` is work. */
export const isPure = (logic: Logic) => logic instanceof StateMachine || !('start' in logic && logic.start)

export const childLogic = (logic: Logic, src: string): Logic | undefined =>
  // `implementations` exists on machines only; other pure logic has no children.
  (logic as { implementations?: { actors: Record<string, Logic> } }).implementations?.actors[src]

const actionOf = (logic: Logic, type: string): unknown =>
  (logic as { implementations?: { actions: Record<string, unknown> } }).implementations?.actions[type]

/** Whether the custom action is named in setup(): an inline one cannot be stored. */
export const isNamed = (logic: Logic, { type, exec }: { type: string; exec: unknown }) => !exec || actionOf(logic, type) === exec

/** Boots a machine: its first record and what it asks for at once. */
export function begin(tree: Tree, addr: Address, logic: Logic, input: unknown): Moved {
  const actions: Action[] = []
  const snapshot = logic.getInitialSnapshot(scopeOf(tree, addr, actions), input)
  return moved(addr, logic, snapshot, actions)
}

/** A record back into the snapshot it was. Throws for a state that this code no longer knows: a fault of the upgrade, not of the actor. */
export function restore(tree: Tree, addr: Address, logic: Logic): (event: Event) => Moved {
  const actions: Action[] = []
  const scope = scopeOf(tree, addr, actions)
  const snapshot = logic.restoreSnapshot?.({ ...tree.actors[addr], children: {} } as never, scope)
  // Never let restoreSnapshot see real children: it would build live actors.
  const children = (snapshot as { children: Record<string, unknown> }).children
  if (children) for (const other in tree.actors) if (parentOf(other) === addr) children[idOf(other)] = referTo(tree, other)
  return (event) => moved(addr, logic, logic.transition(snapshot, event, scope), actions)
}

function moved(addr: Address, logic: Logic, snapshot: unknown, actions: Action[]): Moved {
  const next = snapshot as { children?: Record<string, unknown> }
  // Turns history nodes into ids; children are records of their own.
  const { children: _, ...record } = logic.getPersistedSnapshot({ ...next, children: {} } as never) as unknown as MachineRecord & {
    children: unknown
  }
  if (record.error !== undefined) record.error = plainError(record.error)
  return { record, asks: asks(addr, next.children ?? {}, actions) }
}

function asks(addr: Address, children: Record<string, unknown>, actions: Action[]): Ask[] {
  // stopChild carries the reference itself as params, or undefined when there was no such child.
  const told = (type: string) => new Set<unknown>(actions.filter((a) => a.type === type).map((a) => a.params?.actorRef ?? a.params))
  const [spawned, stopped] = [told('xstate.spawnChild'), told('xstate.stopChild')]
  const list: Ask[] = []
  // spawn() in an assign: no action tells of it.
  for (const child of Object.values(children)) {
    if (child instanceof Actor && !spawned.has(child)) list.push({ kind: 'spawn', child: spawnOf(child as unknown as Child) })
  }
  for (const { type, params, exec } of actions) {
    // Spawned and stopped within one macrostep: such a child never starts, here as in a live system.
    const child = params?.actorRef ?? params
    if (child && spawned.has(child) && stopped.has(child)) continue
    // A plain raise is listed too; xstate has processed it already.
    const later = typeof params?.delay === 'number'
    const event = params?.event as Event
    if (type === 'xstate.spawnChild') list.push({ kind: 'spawn', child: spawnOf(params?.actorRef as Child) })
    else if (type === 'xstate.stopChild') params && list.push({ kind: 'stop', id: params.id as string })
    else if (type === 'xstate.raise')
      later && list.push({ kind: 'later', to: undefined, id: params.id, delay: params.delay as number, event })
    else if (type === 'xstate.cancel') list.push({ kind: 'cancel', id: params?.sendId as string })
    else if (type === 'xstate.sendTo') {
      const to = params?.to?.addr ?? `${addr}/${params?.to?.id}`
      if (later) list.push({ kind: 'later', to, id: params.id, delay: params.delay as number, event })
      else list.push({ kind: 'send', to, event })
    } else if (type === 'xstate.emit') list.push({ kind: 'emit', event })
    else if (type !== 'xstate.log') list.push({ kind: 'custom', type, params, exec })
  }
  return list
}

const spawnOf = (child: Child): Spawn => ({
  id: child?.id ?? NAMELESS,
  src: child?.src,
  systemId: child?.systemId,
  sync: child?._syncSnapshot || undefined,
  input: child?.options.input,
})

/** What a machine gets instead of live objects. `send` must not act: what it did would be lost in a crash. */
function referTo(tree: Tree, addr: Address | undefined): unknown {
  if (!addr) return undefined
  return {
    addr,
    id: idOf(addr),
    sessionId: addr,
    ref: undefined,
    system: systemOf(tree),
    get _parent() {
      return referTo(tree, parentOf(addr))
    },
    getSnapshot: () => tree.actors[addr],
    send() {
      throw new Error('send() acts at once and is lost in a crash; use sendTo')
    },
  }
}

const quiet = () => undefined

/** The constructor of xstate's throw-away actors asks for the names with an underscore. */
const systemOf = (tree: Tree) => ({
  get: (systemId: string) =>
    referTo(
      tree,
      Object.keys(tree.actors).find((addr) => tree.actors[addr]?.systemId === systemId),
    ),
  _bookId: () => NAMELESS,
  _register: quiet,
  _unregister: quiet,
  _set: quiet,
  _relay: quiet,
  _sendInspectionEvent: quiet,
})

const scopeOf = (tree: Tree, addr: Address, actions: Action[]) =>
  ({
    self: referTo(tree, addr),
    id: idOf(addr),
    sessionId: addr,
    system: systemOf(tree),
    actionExecutor: (action: Action) => actions.push(action),
    logger: quiet,
    defer: quiet,
    emit: quiet,
    stopChild: quiet,
    // Our stand-ins satisfy what transition really reads, not the whole of the declared type.
  }) as never
