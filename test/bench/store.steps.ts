/** Sixty-four conversations that are busy: each sends its next step when the last one is durable, as fast as it can or at a pace. */
import { createCommitter } from '../../runtime/host/committer.ts'
import { systemClock } from '../../runtime/host/clock.ts'
import { type Told, createHost } from '../../runtime/host/host.ts'
import { silent } from '../../runtime/watch/log.ts'
import { loadActor } from '../../sql/actors.ts'
import type { Database } from '../../sql/database.ts'
import { draft, policy, sorted } from '../support/samples.ts'
import { quantile } from './bench.ts'
import { nobodyElse } from '../../runtime/cluster/others.ts'
import { shardOf } from '../../runtime/cluster/shards.ts'
import { populate, stepFrom, tenant } from './store.ground.ts'

export interface Run {
  /** Durable steps a second. */
  rate: number
  /** Milliseconds from the request to the answer. */
  p50: number
  p99: number
}

/** The commit path alone. */
export async function commits(db: Database, busy: number, seconds: number): Promise<Run> {
  await populate(db, 'ours', busy)
  const { commit } = createCommitter(db, { ownership: everything })
  return during(busy, seconds, async (at, isOver, timed) => {
    for (let version = 1; !isOver(); version++) {
      const outcome = await timed(() => commit(stepFrom(version, `ours${at}`)))
      if (outcome !== 'done') throw new Error(`a step of an actor that nobody else moves was ${outcome}`)
    }
  })
}

const everything = { me: { node: 'bench', life: 'bench' }, shardOf, epochOf: () => 0, voiceOf: () => 0, ousted: async () => {} }

const outputs: Record<string, () => unknown> = { classify: () => sorted(), answer: () => draft(), validate: () => ({ pass: true }) }

const STEPS_A_TURN = 4

/**
 * Whole steps of the conversation's own chart: told to the host, stepped, committed, told back. Four make a turn. With a `pace`, in
 * steps a second of all together, turns begin when they are due and not when the last one is over, and lateness counts.
 */
export async function steps(db: Database, busy: number, seconds: number, pace?: number): Promise<Run> {
  const interval = pace === undefined ? 0 : (1000 * STEPS_A_TURN * busy) / pace
  const host = createHost({
    clock: systemClock,
    log: silent,
    committer: createCommitter(db, { ownership: everything }),
    ownership: everything,
    ...nobodyElse,
    waiting: async () => [],
    refused() {},
    settled: async () => true,
    ownerOf: async () => 'someone',
    load: (tenant, actor) => loadActor(db, tenant, actor),
    bury: async (_, error) => {
      throw error
    },
    committed() {},
    retell: async () => {},
    recovered: async () => {},
  })
  try {
    const began = performance.now()
    return await during(busy, seconds, async (at, isOver, timed) => {
      const dueAt = (turn: number) => (pace === undefined ? undefined : began + (turn + at / busy) * interval)
      const actor = `whole${at}`
      const birth = { kind: 'conversation' as const, owner: 'someone', channel: 'web', input: { conversation: actor, policy: policy() } }
      for (let turn = 0; !isOver(); turn++) {
        const event = { type: 'message.received', message: { id: `m${turn}`, text: 'why is the sky blue?' } }
        const from = { tenant, actor, dedup: `message:m${turn}`, envelope: { to: 'root', event } }
        const due = dueAt(turn)
        if (due !== undefined) await new Promise((resolve) => setTimeout(resolve, due - performance.now()))
        let told: Told = await timed(() => host.tell({ ...from, ...(turn === 0 && { birth }) }), due)
        for (;;) {
          const call = told.duplicate ? undefined : told.step.calls?.[0]
          if (!call) break
          const output = outputs[call.src]?.()
          told = await timed(() => host.tell({ tenant, actor, inside: true, envelope: { call: call.id, output } }))
        }
      }
    })
  } finally {
    host.close()
    await host.idle()
  }
}

/** Counts from the moment when it was due, where one is given. */
type Timed = <T>(work: () => Promise<T>, due?: number) => Promise<T>

async function during(
  busy: number,
  seconds: number,
  one: (at: number, isOver: () => boolean, timed: Timed) => Promise<void>,
): Promise<Run> {
  const took: number[] = []
  const timed: Timed = async (work, due = performance.now()) => {
    const told = await work()
    took.push(performance.now() - due)
    return told
  }
  const began = performance.now()
  const isOver = () => performance.now() - began > seconds * 1000
  await Promise.all(Array.from({ length: busy }, (_, at) => one(at, isOver, timed)))
  return { rate: (1000 * took.length) / (performance.now() - began), p50: quantile(took, 0.5), p99: quantile(took, 0.99) }
}
