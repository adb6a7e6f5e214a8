/** Several nodes on one store, each a process that can be ended, frozen or cut off alone. See world.ts for a single one. */
import { join } from 'node:path'
import postgres from 'postgres'
import type { Network } from '../support/netns.ts'
import { freePort } from '../support/port.ts'
import type { Wire } from '../support/provider.ts'
import { type Proxy, openProxy } from '../support/proxy.ts'
import { random } from '../support/random.ts'
import type { RedisServer } from '../support/redis.ts'
import { within } from '../support/within.ts'
import { type End, type FleetNode, createNode } from './fleet.node.ts'
import type { Ground } from './ground.ts'
import type { Model } from './model.ts'
import type { Program } from './program.ts'

export type { FleetNode } from './fleet.node.ts'

export interface FleetNeeds {
  /** Of the world, by which the double knows whose calls it answers. */
  name: string
  folder: string
  program: Pick<Program, 'start'>
  model: Model
  /** On a PostgreSQL server. */
  ground: Ground
  redis?: RedisServer | undefined
  /** How many. */
  nodes: number
  wire: Wire
  seed: number
  /** What a life is started with, beside its name, its port, the store and the model. */
  settings?(node: string, life: number): Record<string, string>
  /** Namespaces, one a node: with them a node can be cut off from everything. */
  network?: Network | undefined
}

export interface Fleet {
  nodes: readonly FleetNode[]
  node(name: string): FleetNode
  chance: ReturnType<typeof random>
  /** Who has the conversations of this list that somebody has; read from the store. */
  owners(conversations: readonly string[]): Promise<Map<string, FleetNode>>
  ownerOf(conversation: string): Promise<FleetNode | undefined>
  /** Whether every node that lives has its share of all shards, and no shard is without an owner. */
  isBalanced(): Promise<boolean>
  /** The store, directly. */
  sql: postgres.Sql
  /** Lives there have been, all nodes together. */
  lives(): number
  /** Everything is whole again: lines, frozen nodes, ended nodes. Resolves when all are ready. */
  heal(): Promise<void>
  /** SIGTERM to whoever lives, then everything of the fleet is gone. Resolves with how each ended. */
  close(): Promise<End[]>
}

/** Milliseconds that a node may take to its end. */
const PATIENCE = 45_000
/** Starts in a row of one node, of which each may end before it is ready. */
const RISES = 4

/** Resolves when every node is ready. */
export async function openFleet(needs: FleetNeeds): Promise<Fleet> {
  const { name, folder, program, model, ground, redis, wire, seed, settings, network } = needs
  const database = ground.settings.DATABASE_URL
  if (!database) throw new Error('A fleet needs a PostgreSQL server: the embedded store has room for one process.')
  const chance = random(seed)
  const sql = postgres(database, { max: 1, connect_timeout: 5, onnotice() {} })
  const proxies: Proxy[] = []
  let lives = 0

  async function lineTo(url: string, at: number): Promise<Proxy> {
    const { hostname, port } = new URL(url)
    const proxy = await openProxy({ to: { host: hostname, port: Number(port) }, seed: seed + at, ...(network && { host: network.host }) })
    proxies.push(proxy)
    return proxy
  }

  async function create(at: number): Promise<FleetNode> {
    const place = network?.places[at]
    const host = place?.address ?? '127.0.0.1'
    const port = await freePort(chance)
    const own = `n${at + 1}`
    const toPostgres = await lineTo(database as string, at)
    const toRedis = redis && (await lineTo(redis.url, at))
    const asked = model.settings(name, 0, wire)
    const key = Object.keys(asked).find((one) => one.endsWith('_BASE_URL')) as string
    const toModel = network && (await lineTo(asked[key] as string, at))
    return createNode({
      name: own,
      url: `http://${host}:${port}`,
      postgres: toPostgres,
      redis: toRedis,
      model: toModel,
      program,
      log: join(folder, `${own}.log`),
      within: place?.within ?? [],
      count: () => ++lives,
      settings: (life) => ({
        ...ground.settings,
        ...model.settings(name, life, wire),
        ...(toModel && { [key]: toModel.at(asked[key] as string) }),
        ...(place && { HOST: host }),
        DATABASE_URL: toPostgres.at(database as string),
        ...(redis && toRedis && { REDIS_URL: toRedis.at(redis.url) }),
        NODE_NAME: own,
        PORT: String(port),
        ...settings?.(own, life),
      }),
    })
  }

  const nodes: FleetNode[] = []
  for (let at = 0; at < needs.nodes; at++) nodes.push(await create(at))

  async function end(node: FleetNode): Promise<End> {
    if (!node.alive()) return node.ended()
    node.thaw()
    return within(PATIENCE, node.term(), node.name).catch(async (): Promise<End> => {
      await node.kill()
      return 'SIGKILL'
    })
  }

  /** A named instant may lie in the start itself, and the life after it has another. */
  async function rise(node: FleetNode) {
    for (let tries = 1; ; tries++) {
      if (!node.alive()) node.start()
      try {
        return await node.ready()
      } catch (error) {
        if (tries === RISES) throw error
      }
    }
  }

  const fleet: Fleet = {
    nodes,
    node(wanted) {
      const found = nodes.find(({ name }) => name === wanted)
      if (!found) throw new Error(`There is no node ${wanted}`)
      return found
    },
    chance,
    async owners(conversations) {
      const rows = await sql<{ id: string; node: string }[]>`
        select a.id, s.node from shards s join actors a on a.shard = s.shard
        where a.id = any(${conversations as string[]}) and s.node is not null
      `
      return new Map(rows.map(({ id, node }) => [id, fleet.node(node)]))
    },
    ownerOf: async (conversation) => (await fleet.owners([conversation])).get(conversation),
    async isBalanced() {
      const rows = await sql<{ node: string; count: number; all: number }[]>`
        select n.node, count(s.shard)::int as count, (select count(*)::int from shards where name is null) as all
        from nodes n left join shards s on s.life = n.life and s.name is null group by n.node
      `
      const living = nodes.filter((node) => node.alive()).map(({ name }) => name)
      const isWhole = rows.reduce((sum, { count }) => sum + count, 0) === rows[0]?.all
      return isWhole && rows.length === living.length && rows.every(({ node, count }) => count > 0 && living.includes(node))
    },
    sql,
    lives: () => lives,
    async heal() {
      for (const proxy of proxies) proxy.clear()
      if (network) for (const place of network.places) await place.heal()
      for (const node of nodes) node.thaw()
      await Promise.all(nodes.map(rise))
    },
    async close() {
      for (const proxy of proxies) proxy.clear()
      const ends = await Promise.all(nodes.map(end))
      await Promise.all(proxies.map((proxy) => proxy.close()))
      await sql.end({ timeout: 5 })
      return ends
    },
  }

  try {
    for (const node of nodes) node.start()
    await within(60_000, Promise.all(nodes.map((node) => node.ready())), 'the start of the fleet')
  } catch (error) {
    await fleet.close().catch(() => {})
    throw error
  }
  return fleet
}
