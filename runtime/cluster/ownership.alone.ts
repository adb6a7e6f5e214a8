/** The only node of an embedded store: its folder is locked, so that nobody else can have anything. */
import { aloneIn } from '../../sql/cluster.ts'
import type { Database } from '../../sql/database.ts'
import type { Doer } from '../../sql/effects.ts'
import { createJobs } from './jobs.ts'
import { type Ownership, openFacts } from './ownership.ts'
import { SHARDS, shardAmong } from './shards.ts'
import type { Clock } from '../host/clock.ts'
import type { Log } from '../watch/log.ts'

interface Needs {
  db: Database
  me: Doer
  clock: Clock
  log: Log
  /** Fewer in simulated worlds alone. */
  shards?: number
}

/** The work of all lives before counts as left behind once it is open. */
export function aloneOwnership({ db, me, clock, log, shards = SHARDS }: Needs): Ownership {
  const jobs = createJobs({ clock, log })
  let isOpen = false
  let held = Array.from({ length: shards }, (_, shard) => ({ shard, epoch: 0 }))
  return {
    me,
    shards,
    shardOf: (actor) => shardAmong(actor, shards),
    async open() {
      await openFacts(db, shards)
      held = (await aloneIn(db, me)).map((epoch, shard) => ({ shard, epoch }))
      isOpen = true
      for (const name of jobs.names()) jobs.start(name)
    },
    close: jobs.stopAll,
    epochOf: (shard) => held[shard]?.epoch,
    voiceOf: (shard) => held[shard]?.epoch,
    held: () => held,
    job(name, job) {
      jobs.add(name, job)
      if (isOpen) jobs.start(name)
    },
    ousted: async () => {},
  }
}
