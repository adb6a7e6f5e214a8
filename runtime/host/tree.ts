/**
 * A durable actor as plain JSON: the persisted snapshots of a machine and of its children, by address, with the timers
 * that they armed. Addresses are paths (`root`, `root/turn`, `root/turn/agent`), so parents, children and "everything below" are
 * string questions. Ids are `version:counter`: the same on every replay and new for every incarnation.
 */

export interface Tree {
  /** Counts the steps. */
  v: number
  /** The last durable event's number. */
  seq: number
  actors: { [address: Address]: ActorRecord }
  /** By `owner#name`. */
  timers: { [ownerAndName: string]: Timer }
}

export type Address = string

interface Born {
  /** The id under which this incarnation began; for running work also the id of its effect row. */
  born: string
  src?: string
  systemId?: string
  sync?: boolean
}

export interface MachineRecord extends Born {
  call?: never
  status: 'active' | 'done' | 'error' | 'stopped'
  value: unknown
  context: unknown
  historyValue?: unknown
  output?: unknown
  error?: unknown
}

/** Work under way: a filled slot. Its input is kept in the effect row only. */
export interface CallRecord extends Born {
  call: true
  src: string
  status: 'active' | 'done'
}

export type ActorRecord = MachineRecord | CallRecord

export interface Timer {
  id: string
  owner: Address
  to: Address
  /** Which incarnation of somebody else it is meant for: its successor at the same address must not hear it. */
  born?: string
  /** Milliseconds since 1970, counted from the `now` of the step that armed it. */
  at: number
  event: Event
}

export interface Event {
  type: string
  [key: string]: unknown
}

/** What can happen to a tree. */
export type Envelope =
  | { to: Address; event: Event }
  | { timer: string }
  | { call: string; output: unknown }
  | { call: string; error: unknown }
  | { call: string; event: Event }

/** Work that begins: claimed, run and answered under this id. */
export interface Call {
  id: string
  addr: Address
  src: string
  input: unknown
}

/** Something to tell: with a `seq` when it is kept for ever. */
export interface Emit {
  addr: Address
  seq?: number
  event: Event
}

/** A custom action: a row that is written together with the new state. */
export interface Entry {
  id: string
  addr: Address
  type: string
  params: unknown
}

/** What nobody took: a late answer, a disarmed timer, an event for somebody who is gone. */
export type Drop = { addr: Address; event?: Event; envelope?: Envelope }

export interface Step {
  tree: Tree
  calls: Call[]
  cancels: string[]
  timers: Timer[]
  disarms: string[]
  emits: Emit[]
  entries: Entry[]
  tells: { call: string; event: Event }[]
  drops: Drop[]
}

export const root: Address = 'root'
export const idOf = (addr: Address) => addr.slice(addr.lastIndexOf('/') + 1)
export const parentOf = (addr: Address) => addr.slice(0, Math.max(0, addr.lastIndexOf('/')))
export const isBelow = (addr: Address, top: Address) => addr.startsWith(`${top}/`)

/** Before the first step there is nothing. */
export const seed = (): Tree => ({ v: 0, seq: 0, actors: {}, timers: {} })

/** The ids of the work that a tree waits for. */
export const callsIn = (tree: Tree) =>
  new Set(Object.values(tree.actors).flatMap((actor) => (actor.call && actor.status === 'active' ? [actor.born] : [])))

export const timersIn = (tree: Tree) => new Set(Object.values(tree.timers).map((timer) => timer.id))
