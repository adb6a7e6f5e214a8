/** A Redis of our own, for a test to break. It keeps nothing: what is gone with it was never the truth. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { freePort } from './port.ts'
import { until } from './until.ts'
import { within } from './within.ts'

export interface RedisServer {
  url: string
  port: number
  /** Of the present process. */
  readonly pid: number
  stop(): Promise<void>
  /** Ends it and starts it again on the same port, empty, after so many milliseconds. */
  restart(downMs?: number): Promise<void>
  /** It stands still and its connections stay open. */
  pause(): void
  resume(): void
  /** Everything that it knows is gone. */
  flush(): Promise<void>
  /** From now on it refuses what takes memory: OOM. */
  fill(): Promise<void>
  unfill(): Promise<void>
  /** True: it takes no writes, as a replica whose primary is out of reach. */
  readOnly(on: boolean): Promise<void>
}

/** Why there can be none here, in a sentence. */
export function whyNoRedis(): string | undefined {
  try {
    execFileSync('redis-server', ['--version'], { stdio: 'ignore' })
    return undefined
  } catch {
    return 'redis-server is not installed'
  }
}

/** Logs to `redis.log` in this folder. */
export async function startRedis({ folder }: { folder: string }): Promise<RedisServer> {
  const why = whyNoRedis()
  if (why) throw new Error(`No Redis can be started: ${why}.`)
  mkdirSync(folder, { recursive: true })
  const log = join(folder, 'redis.log')
  const port = await freePort({ below: (n) => Math.floor(Math.random() * n) })
  let child: ChildProcess
  let ended: Promise<unknown>
  const sweep = () => void child.kill('SIGKILL')
  process.once('exit', sweep)

  const ask = async (...command: [string, ...string[]]): Promise<unknown> => {
    const client = new Redis({ port, host: '127.0.0.1', lazyConnect: true, retryStrategy: () => null, maxRetriesPerRequest: 0 })
    client.on('error', () => {}) // the command says it
    try {
      await client.connect()
      return await client.call(...command)
    } finally {
      client.disconnect()
    }
  }

  async function start() {
    const out = openSync(log, 'a')
    const settings = { port, bind: '127.0.0.1', save: '', appendonly: 'no', dir: folder, 'maxmemory-policy': 'noeviction' }
    const words = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)])
    child = spawn('redis-server', words, { stdio: ['ignore', out, out] })
    closeSync(out)
    let end: string | undefined
    ended = new Promise((resolve) =>
      child.once('close', (code, signal) => {
        end = String(code ?? signal)
        resolve(end)
      }),
    )
    const answers = () => {
      if (end) throw new Error(`redis-server ended with ${end}: ${readFileSync(log, 'utf8').trim().split('\n').at(-1)}`)
      return ask('ping').then(
        (answer) => answer === 'PONG',
        () => false,
      )
    }
    await until(answers, 'redis-server')
  }

  async function end() {
    child.kill('SIGTERM')
    child.kill('SIGCONT') // paused, it would not hear the other one
    await within(10_000, ended, 'the end of redis-server').catch(() => child.kill('SIGKILL'))
    await ended
  }

  await start()
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    get pid() {
      return child.pid as number
    },
    async stop() {
      process.off('exit', sweep)
      await end()
    },
    async restart(downMs = 0) {
      await end()
      await new Promise((resolve) => setTimeout(resolve, downMs))
      await start()
    },
    pause: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
    flush: async () => void (await ask('flushall')),
    fill: async () => void (await ask('config', 'set', 'maxmemory', '1')),
    unfill: async () => void (await ask('config', 'set', 'maxmemory', '0')),
    readOnly: async (on) => void (await (on ? ask('replicaof', '127.0.0.1', '1') : ask('replicaof', 'no', 'one'))), // nobody listens there
  }
}
