/**
 * A PostgreSQL with a synchronous standby behind one address: what is acknowledged stands on both, so that the standby can take over
 * without a loss. An asynchronous one would lose what it had not received yet.
 */
import { join } from 'node:path'
import postgres from 'postgres'
import { openProxy } from '../support/proxy.ts'
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

async function ask(server: Server, query: (sql: postgres.Sql) => Promise<unknown>): Promise<void> {
  const sql = postgres(server.url, { max: 1, onnotice() {} })
  await query(sql).finally(() => sql.end({ timeout: 2 }))
}

/** Throws where no server can be started. */
export async function startPair(folder: string): Promise<Pair> {
  let number = 0
  const start = (standbyOf?: Server) => startServer(join(folder, `server${++number}`), { ...(standbyOf && { standbyOf: standbyOf.url }) })

  /** From now on the primary acknowledges nothing that this one has not on its disk. */
  async function follow(primary: Server): Promise<Server> {
    const one = await start(primary)
    await ask(primary, async (sql) => {
      await sql.unsafe(`alter system set synchronous_standby_names = '*'`)
      await sql`select pg_reload_conf()`
      for (;;) {
        const [row] = await sql<{ state: string }[]>`select sync_state as state from pg_stat_replication where state = 'streaming'`
        if (row?.state === 'sync') return
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    })
    return one
  }

  let primary = await start()
  let standby = await follow(primary)
  const address = await openProxy({ to: targetOf(primary.url) })
  return {
    url: address.at(primary.url),
    async failover() {
      await primary.crash()
      address.reset()
      primary = standby
      await ask(primary, (sql) => sql`select pg_promote()`)
      address.lead(targetOf(primary.url))
    },
    async repair() {
      standby = await follow(primary)
    },
    async stop() {
      await address.close()
      await standby.stop()
      if (primary !== standby) await primary.stop()
    },
  }
}
