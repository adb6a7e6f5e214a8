/** Several hearts on one store, each of which takes everything for its own: what keeps them apart is the version of a row alone. */
import type { Database } from '../../sql/database.ts'
import type { Doer } from '../../sql/effects.ts'
import type { Ownership } from '../../runtime/cluster/ownership.ts'
import { createJobs } from '../../runtime/cluster/jobs.ts'
import { SHARDS, shardOf } from '../../runtime/cluster/shards.ts'
import type { Clock } from '../../runtime/host/clock.ts'
import { silent } from '../../runtime/watch/log.ts'

let lives = 0

export function sharedOwnership({ sql }: Pick<Database, 'sql'>, node: string, clock: Clock): Ownership & { me: Doer } {
  const me = { node, life: `${node}.${process.pid}.${++lives}` }
  const jobs = createJobs({ clock, log: silent })
  const held = Array.from({ length: SHARDS }, (_, shard) => ({ shard, epoch: 0 }))
  return {
    me,
    shards: SHARDS,
    shardOf,
    async open() {
      await sql`delete from nodes where node = ${node}`
      await sql`insert into nodes (node, life, lock_key, machines, version) values (${node}, ${me.life}, 0, '{}', '')`
      for (const name of jobs.names()) jobs.start(name)
    },
    close: jobs.stopAll,
    job: jobs.add,
    epochOf: () => 0,
    voiceOf: () => 0,
    held: () => held,
    ousted: async () => {},
  }
}

/** A life is over, and everybody knows. */
export async function endLife({ sql }: Pick<Database, 'sql'>, life: string): Promise<void> {
  await sql`delete from nodes where life = ${life}`
}
