/** The only node of an embedded store: its folder is locked, so that nobody else can have anything. */
import { aloneIn } from '../../sql/cluster.ts'
import type { Database } from '../../sql/database.ts'
import type { Doer } from '../../sql/effects.ts'
import { type Ownership, openFacts } from './ownership.ts'
import { SHARDS } from './shards.ts'

/** The work of all lives before counts as left behind once it is open. */
export function aloneOwnership(db: Database, me: Doer): Ownership {
  let held = Array.from({ length: SHARDS }, (_, shard) => ({ shard, epoch: 0 }))
  return {
    me,
    async open() {
      await openFacts(db)
      held = (await aloneIn(db, me)).map((epoch, shard) => ({ shard, epoch }))
    },
    epochOf: (shard) => held[shard]?.epoch,
    held: () => held,
    ousted: async () => {},
  }
}
