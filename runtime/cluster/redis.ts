/** The two connections that control messages between nodes need, and leases with them. */
import { createAdapter } from '@socket.io/redis-adapter'
import { Redis } from 'ioredis'

/** Asked for and not there means stop: never a silent fallback. */
export async function openRedis(url: string) {
  const control = new Redis(url, {
    lazyConnect: true,
    maxRetriesPerRequest: 2,
    connectTimeout: 3_000,
    retryStrategy: (times) => Math.min(times * 100, 1_000),
  })
  control.on('error', () => {}) // each command that fails says so itself
  await control.connect().catch((cause: Error) => {
    control.disconnect()
    throw new Error(`REDIS_URL is set and no Redis answers there: ${cause.message}`)
  })
  // Once the other one listens for messages it takes no other commands. What Redis does not hear at once is not kept for later.
  const commands = control.duplicate({ lazyConnect: false, maxRetriesPerRequest: 1, commandTimeout: 1_000 })
  commands.on('error', () => {})
  // The adapter does not wait for what it publishes: without a Redis, somebody's typing would end the process.
  const quiet = Object.assign(Object.create(commands) as Redis, {
    publish: (...message: [string, string]) => commands.publish(...message).catch(() => 0),
  })
  return {
    commands,
    /** Carries the control messages of Socket.IO, and none of whoever else uses this Redis: they could close our sockets. */
    adapter: (cluster: string) => createAdapter(quiet, control, { key: `${cluster}:socket.io`, publishOnSpecificResponseChannel: true }),
    async close() {
      control.disconnect()
      commands.disconnect()
    },
  }
}
