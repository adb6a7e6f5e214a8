/** The two connections that control messages between nodes need, and leases with them. */
import { createAdapter } from '@socket.io/redis-adapter'
import { Redis } from 'ioredis'
import { within } from '../../sql/within.ts'

/** Milliseconds that a Redis may take to answer before it counts as gone, and between two signs of life that a listener asks for. */
const PATIENCE = 3_000
const PING = 5_000
/** Milliseconds in which it must answer whoever asks how it is: well within what health allows a part. */
const PROMPT = 500

/** Asked for and not there means stop: never a silent fallback. */
export async function openRedis(url: string) {
  const control = new Redis(url, {
    lazyConnect: true,
    maxRetriesPerRequest: 2,
    connectTimeout: PATIENCE,
    socketTimeout: PATIENCE, // a connection that owes an answer for so long is made anew
    retryStrategy: (times) => Math.min(times * 100, 1_000),
  })
  // Each command that fails says so itself, but for the first one, whose connection is "closed" whatever the reason.
  let reason: Error | undefined
  control.on('error', (error) => {
    reason = error
  })
  await answers(control).catch((cause: Error) => {
    control.disconnect()
    throw new Error(`REDIS_URL is set and Redis at ${hostOf(url)} cannot be used: ${wordsOf(reason ?? cause)}`)
  })
  // Once the other one listens for messages it takes no other commands. What Redis does not hear at once is not kept for later.
  const commands = control.duplicate({ lazyConnect: false, maxRetriesPerRequest: 1, commandTimeout: 1_000 })
  commands.on('error', () => {})
  // Nobody waits for these, neither the adapter nor ioredis when it is back: without a Redis, somebody's typing would end the process.
  unheard(control, ['subscribe', 'psubscribe', 'unsubscribe', 'punsubscribe'])
  unheard(commands, ['publish'])
  // A cable that was cut says nothing to who only listens.
  const pings = setInterval(() => void (control.status === 'ready' && control.ping().catch(() => {})), PING)
  pings.unref()
  return {
    commands,
    /** Whether it answers now. Never throws. */
    isThere(): Promise<boolean> {
      const answer = commands.ping().then(
        () => true,
        () => false,
      )
      return within(PROMPT, answer, () => false)
    },
    /** Carries the control messages of Socket.IO, and none of whoever else uses this Redis: they could close our sockets. */
    adapter: (cluster: string) => createAdapter(commands, control, { key: `${cluster}:socket.io`, publishOnSpecificResponseChannel: true }),
    async close() {
      clearInterval(pings)
      control.disconnect()
      commands.disconnect()
    },
  }
}

/** Where it should be, without the password. */
const hostOf = (url: string) => (URL.canParse(url) ? new URL(url).host || url : 'an address that is none')

/** A refused connection of several addresses has no message, only a code. */
const wordsOf = ({ message, code }: Error & { code?: string }) => message || code || 'no reason is known'

/** A Redis that takes the connection and then hangs never says so. */
const answers = (redis: Redis): Promise<void> =>
  within(PATIENCE, redis.connect(), () => {
    throw new Error(`no answer within ${PATIENCE / 1_000} s`)
  })

/** Commands whose failure nobody hears of. */
function unheard(redis: Redis, names: ('publish' | 'subscribe' | 'psubscribe' | 'unsubscribe' | 'punsubscribe')[]) {
  for (const name of names) {
    const command = redis[name].bind(redis) as (...given: unknown[]) => Promise<unknown>
    Object.assign(redis, { [name]: (...given: unknown[]) => command(...given).catch(() => 0) })
  }
}
