/** Several nodes on one PostgreSQL: membership, post, relay and dispatch, joined. */
import type { ClusterFacts } from '../../sql/cluster.ts'
import { readEventsBetween } from '../../sql/conversations.ts'
import type { Database } from '../../sql/database.ts'
import type { Doer } from '../../sql/effects.ts'
import { createPositions } from '../gateway/positions.ts'
import type { Clock } from '../host/clock.ts'
import type { Engine } from '../host/engine.ts'
import { defaultLimits } from '../host/host.ts'
import type { Log } from '../watch/log.ts'
import type { Bus } from './bus.ts'
import type { Carrier } from './carrier.ts'
import { emptyChart } from './chart.ts'
import { type ClusterEvent, type ClusterEvents, changesBetween } from './changes.ts'
import { createDispatch } from './dispatch.ts'
import type { Lease } from './lease.ts'
import { type Membership, type MembershipNeeds, createMembership } from './membership.ts'
import type { LockWatch } from './neighbour.ts'
import type { Others } from './others.ts'
import { type Letter, type Peer, type PostCounts, createPost } from './post.ts'
import { type Relay, createRelay } from './relay.ts'

const none: PostCounts = { sent: 0, batches: 0, lost: 0, heard: 0, gaps: 0, repeated: 0, ignored: 0 }

export interface Cluster {
  /** Tells it from others that share a Redis or a PostgreSQL. */
  name: string
  membership: Membership
  /** The bus of all nodes, and where its watchers stand. */
  relay: Relay
  others: Others
  /** The store's time where this machine's differs from it. */
  clock: Clock
  /** The engine that all this is for, and whoever is to hear whose a conversation is before it is told of. */
  serve(parts: { engine: Engine; begun(tenant: string, actor: string, owner: string): void }): void
  /** Leaves for good. */
  leave(): Promise<void>
  /** Ends without a word. */
  stop(): Promise<void>
  counts(): Record<'waiting' | 'mirrors' | 'watchers' | 'stale' | keyof PostCounts, number>
}

export interface ClusterNeeds {
  db: Database
  lane: MembershipNeeds['lane']
  local: Bus
  facts: ClusterFacts
  node: string
  machines: Record<string, number>
  version: string
  url(): string | undefined
  clock: Clock
  log: Log
  /** For a new life: whatever takes letters to others, best first. */
  carriers(): Carrier[]
  watchLock?: (key: number) => LockWatch
  lease?: Lease
  newLife?: () => string
  /** Milliseconds by which clocks may differ before it matters. */
  tolerance?: number
  /** An operator has asked for everything to be given away. */
  drained(): void
  /** Another process has our name. */
  ousted(): void
  /** Hears what happens in the cluster. */
  observe?(event: ClusterEvent): void
}

export const nameOf = ({ id }: { id: string }) => `nexus:${id}`

export function createCluster(needs: ClusterNeeds): Cluster {
  const { db, lane, local, facts, node, clock, log, tolerance = 1_000, observe = () => {} } = needs
  const name = nameOf(facts)
  let known = emptyChart()
  let post: ReturnType<typeof createPost> | undefined
  let engine: Engine | undefined
  let begun: (tenant: string, actor: string, owner: string) => void = () => {}
  const served = () => {
    if (!engine) throw new Error('the cluster was opened before its engine was there')
    return engine
  }

  const send = (to: Peer, letter: Letter) => {
    if (to.life !== membership.me.life) post?.send({ node: to.node, life: to.life }, letter)
  }
  const tellAll = (letter: Letter) => {
    for (const peer of membership.peers()) send(peer, letter)
  }

  const position = createPositions(db)
  const relay = createRelay({
    local,
    membership: () => membership,
    engine: served,
    send,
    begun: ({ tenant, actor }, owner) => begun(tenant, actor, owner),
    position,
    events: ({ tenant, actor }, after, last) => readEventsBetween(db, tenant, actor, after, last),
    clock,
    log,
  })
  const dispatch = createDispatch({
    db,
    membership: () => membership,
    send,
    takeIn: (tenant, actor) => void served().host.takeIn(tenant, actor),
    clock,
    most: defaultLimits.perActor,
  })

  function hear(from: Peer, letter: Letter) {
    if (letter.type === 'map') {
      membership.hear(letter.moves as never)
      // Somebody has come or gone, and perhaps left work.
      if ((letter.moves as unknown[]).length === 0) served().gained(new Set())
    } else if (letter.type === 'cancel') served().runner.cancel(letter as never)
    else if (letter.type === 'fault') observe(['fault.detected', letter.fault as ClusterEvents['fault.detected']])
    else if (!relay.hear(from, letter) && !dispatch.hear(letter)) log.debug({ letter: letter.type }, 'a letter of an unknown kind')
  }

  async function born(me: Doer) {
    const old = post
    post = createPost({
      me,
      secret: facts.secret,
      prefix: name,
      carriers: needs.carriers(),
      clock,
      log,
    })
    relay.anew()
    await post.open({
      letter: (from, letter) => {
        if (!membership.isSilent()) hear(from, letter)
      },
      gap(from) {
        if (membership.isSilent()) return
        relay.gap(from)
        // A word that something waits may have been among what got lost.
        engine?.gained(new Set())
        membership.hear([])
      },
    })
    void old?.close().catch(() => {})
  }

  const membership = createMembership({
    ...needs,
    lane,
    node,
    shards: facts.shards,
    application: db.application,
    on: {
      born,
      surrendered: () => served().surrender(),
      gained(shards) {
        relay.gained(shards)
        served().gained(shards)
      },
      lost(shards) {
        relay.lost(shards)
        served().speeches.letGo((actor) => shards.has(membership.shardOf(actor)))
        served().host.letGo(shards)
      },
      giving: (shards) => served().host.quiet(shards),
      resumed() {
        relay.resumed()
        served().gained(new Set())
      },
      news: (moves) => tellAll({ type: 'map', moves }),
      charted(chart) {
        relay.charted()
        const lives = new Set(chart.nodes.map(({ life }) => life))
        for (const { node, life } of known.nodes) if (!lives.has(life)) post?.forget({ node, life })
        for (const event of changesBetween(known, chart, clock.now())) observe(event)
        known = chart
      },
      fault(gone, what) {
        const fault = { node: gone, fault: what, at: clock.now() }
        observe(['fault.detected', fault])
        tellAll({ type: 'fault', fault })
      },
      drained: needs.drained,
      ousted: needs.ousted,
    },
  })

  return {
    name,
    membership,
    relay,
    others: {
      elsewhere: dispatch.elsewhere,
      echo: dispatch.echo,
      cancel: (piece) => tellAll({ type: 'cancel', ...piece }),
      born: relay.born,
      stopped: relay.stopped,
    },
    clock: {
      ...clock,
      now: () => clock.now() + (Math.abs(membership.skew()) > tolerance ? membership.skew() : 0),
    },
    serve(parts) {
      engine = parts.engine
      begun = parts.begun
    },
    async leave() {
      await membership.leave()
      await post?.close()
    },
    async stop() {
      membership.stop()
      await post?.close()
    },
    counts: () => ({ ...relay.counts(), ...dispatch.counts(), ...(post?.counts ?? none) }),
  }
}
