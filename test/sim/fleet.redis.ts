/** The Redis of a simulated fleet: leases that run out, that are wiped, and that nobody can reach. */
import type { Lease } from '../../runtime/cluster/lease.ts'
import type { Chance } from './chance.ts'
import type { Gate } from './gate.ts'
import type { Time } from './time.ts'

export function createSimRedis(time: Time) {
  let until = new Map<string, number>()
  let away = 0
  let hangs = false

  return {
    wipe() {
      until = new Map()
    },
    /** Nobody reaches it for so long; one that hangs does not even say so. */
    leave(ms: number, isHung: boolean) {
      away = Math.max(away, time.now() + ms)
      hangs = isHung
    },
    /** As one process reaches it. */
    reachedBy(gate: Gate, chance: Chance): Lease {
      const ask = <T>(what: () => T) =>
        new Promise<T>((resolve, reject) => {
          time.after(chance.delay(0.1, 4), () => {
            const isAway = time.now() < away
            if (isAway && hangs) return
            const answer = isAway ? undefined : what()
            time.after(chance.delay(0.1, 4), () =>
              gate.pass('message', () => (isAway ? reject(new Error('Redis is not there')) : resolve(answer as T))),
            )
          })
        })
      const runs = (life: string) => (until.get(life) ?? 0) > time.ticks()
      return {
        renew: (life, ms) =>
          ask(() => {
            const known = runs(life)
            if (known) until.set(life, time.ticks() + ms)
            return known
          }),
        give: (life, ms) => ask(() => void until.set(life, time.ticks() + ms)),
        runs: (life) => ask(() => runs(life)),
        end: (life) => ask(() => void until.delete(life)),
      }
    },
  }
}
