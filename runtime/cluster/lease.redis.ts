/** Leases in Redis. A wiped Redis has none, which ends nobody: Postgres has them as well, and gives them anew. */
import type { Redis } from 'ioredis'
import type { Lease } from './lease.ts'

/** `prefix` tells our keys from those of others who use the same Redis. */
export function redisLease({ redis, prefix }: { redis: Redis; prefix: string }): Lease {
  const keyOf = (life: string) => `${prefix}:lease:${life}`
  return {
    // Never set where it is gone: a lease that ran out may have been seen to.
    renew: async (life, ms) => (await redis.pexpire(keyOf(life), ms)) === 1,
    give: async (life, ms) => void (await redis.set(keyOf(life), '1', 'PX', ms)),
    runs: async (life) => (await redis.exists(keyOf(life))) === 1,
    end: async (life) => void (await redis.del(keyOf(life))),
  }
}
