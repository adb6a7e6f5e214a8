/** Several nodes of one cluster, each a process of its own, on a fresh database that is dropped at the end. */
import { randomBytes } from 'node:crypto'
import postgres from 'postgres'
import { shardOf } from '../../runtime/cluster/shards.ts'
import { openDatabase } from '../../sql/database.ts'
import { migrate } from '../../sql/migrate.ts'
import { demo, keepTenant } from '../../sql/tenants.ts'
import { isSettled } from '../support/settled.ts'
import { until } from '../support/until.ts'
import { startWorker, type Worker } from './worker.ts'

export interface Ground {
  url: string
  sql: postgres.Sql
  close(): Promise<void>
}

/** A database with the schema and the tenant demo, on the server at this address. */
export async function freshGround(server: string): Promise<Ground> {
  const name = `nexus_bench_${randomBytes(6).toString('hex')}`
  const admin = postgres(server, { max: 1, onnotice() {} })
  await admin`create database ${admin(name)}`
  const own = new URL(server)
  own.pathname = name
  const url = own.href
  const db = await openDatabase({ url, max: 2 })
  await migrate(db)
  await keepTenant(db, demo)
  await db.close()
  const sql = postgres(url, { max: 3, onnotice() {} })
  return {
    url,
    sql,
    async close() {
      await sql.end({ timeout: 1 })
      await admin`drop database ${admin(name)} with (force)`
      await admin.end()
    },
  }
}

const usual = { PORT: '0', LOG_LEVEL: 'error', DRAIN_MAX_MS: '0' }

export interface Fleet {
  nodes: Worker[]
  /** A new name for a conversation that lives at this node, from 0 on. */
  conversationAt(node: number): string
  /** Reads anew which shard is where. */
  chart(): Promise<void>
  /** The node where it lives; -1: nobody's. */
  ownerOf(conversation: string): number
  close(): Promise<void>
}

/** Starts `count` workers of this file, which find their settings in BENCH_SETTINGS and serve `url`; waits until every shard has its place. */
export async function startFleet(ground: Ground, file: string, count: number, more: Record<string, string> = {}): Promise<Fleet> {
  const nodes: Worker[] = []
  const close = async () => void (await Promise.all(nodes.map((node) => node.close())))
  let owners: number[] = []
  const chart = async () => {
    const rows = await ground.sql<{ node: string | null }[]>`
      select n.node from shards s left join nodes n on n.life = s.life where s.name is null order by s.shard
    `
    owners = rows.map(({ node }) => (node === null ? -1 : Number(node.slice(6))))
  }
  try {
    const names = Array.from({ length: count }, (_, at) => `bench-${at}`)
    for (const name of names)
      nodes.push(startWorker(file, { BENCH_SETTINGS: JSON.stringify({ ...usual, DATABASE_URL: ground.url, NODE_NAME: name, ...more }) }))
    await Promise.all(nodes.map((node) => node.ask('url')))
    await until(() => isSettled(ground.sql, names), 'every shard to be where it stays', 60_000)
    await chart()
  } catch (error) {
    await close()
    throw error
  }
  const ownerOf = (conversation: string) => owners[shardOf(conversation)] as number
  return {
    nodes,
    chart,
    ownerOf,
    conversationAt(node) {
      for (;;) {
        const name = crypto.randomUUID()
        if (ownerOf(name) === node) return name
      }
    },
    close,
  }
}
