/**
 * A PostgreSQL with a synchronous standby behind one address: what is acknowledged stands on both, so that the standby can take over
 * without a loss. An asynchronous one would lose what it had not received yet.
 */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import postgres from 'postgres'
import { type Proxy, openProxy } from '../support/proxy.ts'
import { until } from '../support/until.ts'
import { type Server, startServer } from './server.ts'

export interface Pair {
  /** Of whoever is the primary. */
  url: string
  /** The primary dies as in a power cut, and the standby becomes the primary. Resolves when the address leads there. */
  failover(): Promise<void>
  /** The new primary gets a standby again. */
  repair(): Promise<void>
  stop(): Promise<void>
}

const targetOf = (url: string) => {
  const { hostname, port } = new URL(url)
  return { host: hostname, port: Number(port) }
}

async function ask<T>(server: Server, query: (sql: postgres.Sql) => Promise<T>): Promise<T> {
  const sql = postgres(server.url, { max: 1, onnotice() {} })
  return query(sql).finally(() => sql.end({ timeout: 2 }))
}

/** Throws where no server can be started, and leaves none then. */
export async function startPair(folder: string): Promise<Pair> {
  /** Those that run, by their folders. */
  const running = new Map<string, Server>()
  let number = 0
  let address: Proxy | undefined

  async function start(primary?: Server): Promise<Server> {
    const home = join(folder, `server${++number}`)
    const server = await startServer(home, { ...(primary && { standbyOf: primary.url }) })
    running.set(home, server)
    return server
  }

  /** From now on the primary acknowledges nothing that this one has not on its disk. */
  async function follow(primary: Server): Promise<Server> {
    const standby = await start(primary)
    await ask(primary, async (sql) => {
      await sql.unsafe(`alter system set synchronous_standby_names = '*'`)
      await sql`select pg_reload_conf()`
      const isSync = async () => (await sql`select from pg_stat_replication where state = 'streaming' and sync_state = 'sync'`).length > 0
      await until(isSync, 'a synchronous standby', 30_000)
    })
    return standby
  }

  async function stop() {
    await address?.close()
    await Promise.all([...running.values()].map((server) => server.stop()))
  }

  try {
    let primary = await start()
    let standby = await follow(primary)
    const door = (address = await openProxy({ to: targetOf(primary.url) }))
    return {
      url: door.at(primary.url),
      async failover() {
        await primary.crash()
        door.reset()
        for (const [home, server] of running) {
          if (server !== primary) continue
          running.delete(home)
          await rm(home, { recursive: true, force: true })
        }
        primary = standby
        await ask(primary, (sql) => sql`select pg_promote()`)
        door.lead(targetOf(primary.url))
      },
      async repair() {
        standby = await follow(primary)
      },
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}
