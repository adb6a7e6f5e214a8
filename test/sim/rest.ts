/** How a world comes to rest: until nothing is left to be done, and nothing lies about meanwhile that nobody does. */
import type { SimStore } from './store.ts'
import type { Time } from './time.ts'

/** Milliseconds that a world may take. */
const REST = 240_000
/**
 * Milliseconds in which work that was left behind is taken up: a look every two seconds, and a statement that arrives late may keep the
 * one session from all others for nine. Deadlines of the machines would end the turn as well, long after.
 */
const LEFT = 12_000

interface World {
  time: Time
  store: SimStore
  /** Who is not there yet, or nothing: whoever could take work up. */
  whoIsAway(): string
  /** What is left to be done, or nothing. */
  whatIsLeft(): Promise<string>
  complaints: string[]
}

/** What was left to be done in the end, or nothing. */
export async function comeToRest({ time, store, whoIsAway, whatIsLeft, complaints }: World): Promise<string> {
  const began = time.now()
  const orphans = new Map<string, number>()
  let left = 'it was never looked at'
  for (let wait = 500; time.now() < began + REST; wait = Math.min(wait * 1.4, 8_000)) {
    await time.run(time.now() + wait)
    left = whoIsAway()
    if (left) orphans.clear()
    else {
      left = await whatIsLeft()
      if (!left) break
      await lookForOrphans()
    }
  }
  return left

  async function lookForOrphans() {
    const now = await leftBehind(store)
    if (!now) return
    for (const work of orphans.keys()) if (!now.includes(work)) orphans.delete(work)
    for (const work of now) {
      const since = orphans.get(work) ?? time.now()
      orphans.set(work, since)
      if (time.now() - since < LEFT) continue
      complaints.push(`${work} is left behind, and nobody has taken it up for ${time.now() - since} ms`)
      orphans.set(work, Number.POSITIVE_INFINITY) // said
    }
  }
}

/**
 * Work of lives that are over, or that was given back, and whose end does not wait, and events that wait; undefined while the store is
 * in the middle of something.
 */
async function leftBehind(store: SimStore): Promise<string[] | undefined> {
  try {
    const rows = await store.ask<{ work: string }>(
      `select format('work %s of %s', b.id, b.actor) as work from left_behind() b
       where not has_end_waiting(b.tenant_id, b.actor, b.id)
       union all select format('%s for %s', i.dedup_key, i.actor) from inbox i where i.applied_version is null order by 1`,
    )
    return rows.map(({ work }) => work)
  } catch (error) {
    if ((error as { code?: string }).code === ABORTED) return undefined
    throw error
  }
}

/** in_failed_sql_transaction: the one session is in somebody's transaction that has gone wrong and is not undone yet. */
const ABORTED = '25P02'
