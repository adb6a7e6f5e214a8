/**
 * A node without a door: the real engine on a real store, with scripted fillings and a clock moved by hand. Several hearts may
 * share one store; leaving one without `stop` is a crash.
 */
import { salvaging } from '../../actors/salvaging.ts'
import type { Filling } from '../../actors/work.ts'
import type { AnswerAsk, Draft } from '../../machines/slot.ts'
import type { Policy } from '../../machines/policy.ts'
import { memoryBus } from '../../runtime/cluster/bus.memory.ts'
import { type Bus, type Frame, roomOf } from '../../runtime/cluster/bus.ts'
import type { Others } from '../../runtime/cluster/others.ts'
import type { Ownership } from '../../runtime/cluster/ownership.ts'
import { createEngine } from '../../runtime/host/engine.ts'
import type { Limits, Told } from '../../runtime/host/host.ts'
import type { Slot } from '../../runtime/host/runner.ts'
import type { Speeches } from '../../runtime/host/speech.ts'
import { type Log, silent } from '../../runtime/watch/log.ts'
import { spokenText } from '../../sql/chunks.ts'
import type { Database } from '../../sql/database.ts'
import { demo } from '../../sql/tenants.ts'
import { type HandClock, handClock } from './clock.ts'
import { sharedOwnership } from './ownership.ts'
import { draft, policy, sorted } from './samples.ts'

export const tenant = demo.id

// A filling's own types stand at its definition, as in runtime/host/runner.ts.
export type Fillings = Partial<Record<'classify' | 'answer' | 'consult' | 'validate' | 'salvage', Filling<never, unknown>>>

export interface Needs {
  db: Database
  node?: string
  clock?: HandClock
  bus?: Bus
  log?: Log
  limits?: Limits
  others?: Others
  ownership?: Ownership
  fill?: (speeches: Speeches) => Fillings
}

/** Says the pieces and ends, as a model would. */
export const speaking =
  (speeches: Speeches, pieces: string[], more: Partial<Draft> = {}): Filling<AnswerAsk, Draft> =>
  async (ask, { tenant, actor }) => {
    const voice = speeches.open({ tenant, actor, turn: ask.turn, attempt: ask.attempt })
    for (const piece of pieces) voice.say(piece)
    const text = voice.text()
    voice.end()
    return draft(text, more)
  }

/** Works until it is aborted. */
export const endless: Filling<never, never> = (_, { signal }) =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('aborted'))))

export function createHeart({
  db,
  node = 'n1',
  clock = handClock(),
  bus = memoryBus(),
  log = silent,
  limits,
  others,
  ownership = sharedOwnership(db, node, clock),
  fill = () => ({}),
}: Needs) {
  const slots = (speeches: Speeches): Record<string, Slot> => {
    const given = fill(speeches)
    return {
      classify: { fill: given.classify ?? (async () => sorted('trivial')), whenLost: 'repeat' },
      answer: {
        fill: given.answer ?? (speaking(speeches, ['Because of ', 'Rayleigh scattering.']) as Filling<never, Draft>),
        whenLost: 'tell',
      },
      consult: { fill: given.consult ?? (async () => []), whenLost: 'tell' },
      validate: { fill: given.validate ?? (async () => ({ pass: true })), whenLost: 'repeat' },
      salvage: {
        fill:
          given.salvage ??
          (salvaging({
            cut: (place) => speeches.cut(place),
            logged: ({ tenant, actor, turn, attempt }) => spokenText(db, tenant, actor, turn, attempt),
            after: (_, ring) => ring(), // nobody speaks elsewhere
          }) as Filling<never, unknown>),
        whenLost: 'repeat',
      },
    }
  }
  const engine = createEngine({ db, bus, log, ownership, clock, slots, ...(limits && { limits }), ...(others && { others }) })
  const birth = (conversation: string, more: Partial<Policy> = {}) => ({
    kind: 'conversation' as const,
    owner: 'someone',
    channel: 'web',
    input: { conversation, policy: policy(more) },
  })
  return {
    engine,
    life: ownership.me.life,
    clock,
    bus,
    birth,
    /** A message from outside, as the door would tell it. */
    say: (conversation: string, id: string, text = 'why is the sky blue?', more: Partial<Policy> = {}): Promise<Told> =>
      engine.host.tell({
        tenant,
        actor: conversation,
        dedup: `message:${id}`,
        envelope: { to: 'root', event: { type: 'message.received', message: { id, text } } },
        birth: birth(conversation, more),
      }),
    hear: (conversation: string, event: { type: string; [key: string]: unknown }): Promise<Told> =>
      engine.host.tell({ tenant, actor: conversation, envelope: { to: 'root', event } }),
    /** Everything that a watcher of the conversation is told from now on. */
    watch(conversation: string) {
      const frames: Frame[] = []
      bus.watch(roomOf(tenant, conversation), (frame) => void frames.push(frame))
      return {
        frames,
        names: () => frames.map(({ name }) => name),
        has: (name: string) => frames.some((frame) => frame.name === name),
        of: <T = Record<string, unknown>>(name: string) => frames.filter((frame) => frame.name === name).map(({ payload }) => payload as T),
      }
    },
  }
}

export type Heart = ReturnType<typeof createHeart>

/** A store whose commits can fail: before they happen, after they happened, or by happening late. */
export function breakable(db: Database) {
  type Way = 'before' | 'after' | 'late'
  const ways: Way[] = []
  const held: (() => Promise<unknown>)[] = []
  let commits = 0
  const sql = new Proxy(db.sql, {
    apply(target, self, args: [TemplateStringsArray, ...unknown[]]) {
      const run = () => Reflect.apply(target as never, self, args) as Promise<unknown>
      if (!args[0]?.join?.('').includes('commit_steps')) return run()
      commits++
      const way = ways.shift()
      if (!way) return run()
      const lost = () => {
        throw Object.assign(new Error('the connection is gone'), { code: 'CONNECTION_CLOSED' })
      }
      if (way === 'after') return run().then(lost)
      if (way === 'late') held.push(async () => run())
      return Promise.resolve().then(lost)
    },
  })
  return {
    db: { ...db, sql } as Database,
    /** The next commits fail in these ways. */
    fails: (...more: Way[]) => void ways.push(...more),
    /** What was held back happens now. */
    arrive: () => Promise.all(held.splice(0).map((run) => run())),
    commits: () => commits,
  }
}
