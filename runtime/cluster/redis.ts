/** The two connections that control messages between nodes need. */
import { createAdapter } from '@socket.io/redis-adapter'
import { Redis } from 'ioredis'

/** Asked for and not there means stop: never a silent fallback. */
export async function openRedis(url: string) {
  const control = new Redis(url, {
    lazyConnect: true,
    maxRetriesPerRequest: 2,
    connectTimeout: 3_000,
    retryStrategy: (times) => Math.min(times * 100, 2_000),
  })
  control.on('error', () => {}) // each command that fails says so itself
  await control.connect().catch((cause: Error) => {
    control.disconnect()
    throw new Error(`REDIS_URL is set and no Redis answers there: ${cause.message}`)
  })
  const publish = control.duplicate()
  publish.on('error', () => {})
  return {
    control,
    /** Carries the control messages of Socket.IO. */
    adapter: () => createAdapter(publish, control, { publishOnSpecificResponseChannel: true }),
    async close() {
      control.disconnect()
      publish.disconnect()
    },
  }
}
