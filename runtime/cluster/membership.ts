/**
 * This node among the others: it lives by a lease that it renews, watches its neighbour, takes what is its own by right and gives
 * away what is not. The store decides; what is told by letters only makes it quick.
 *
 * A node that cannot prove its lease, by the store or for a while by Redis, stops by itself before others may start: no step after
 * `FENCE`, no word after `SILENCE`, and the others wait for `LEASE`. After its silence it is a new life, to which nothing belongs.
 */
import { randomUUID } from 'node:crypto'
import { type StoredNode, beatNode, buryNode, drainNode, enterNode, leaveNode, lifeOf, nameJob } from '../../sql/cluster.ts'
import type { Doer } from '../../sql/effects.ts'
import type { Lane } from '../../sql/lane.ts'
import type { Clock } from '../host/clock.ts'
import type { Log } from '../watch/log.ts'
import { type Chart, type Move, neighbourOf } from './chart.ts'
import { createElsewhere } from './elsewhere.ts'
import { createHoldings } from './holdings.ts'
import { createJobs } from './jobs.ts'
import type { Lease } from './lease.ts'
import { createOwnLock } from './lock.ts'
import { type LockWatch, createNeighbourWatch } from './neighbour.ts'
import type { Ownership } from './ownership.ts'
import { BEAT, FENCE, LEASE, SILENCE, createProof } from './proof.ts'
import { shardAmong } from './shards.ts'
import { createSkew } from './skew.ts'
import { createTakeover } from './takeover.ts'
import { timely } from './timely.ts'

/** Milliseconds that a beat may take, and a step that is under way while its shard is given away. */
const PATIENCE = 2_000
/** Milliseconds between looks at our own silence. */
const CHECK = 250

export interface Membership extends Ownership {
  /** Whose it is; undefined: nobody's who lives. */
  ownerOf(shard: number): StoredNode | undefined
  chart(): Chart
  peers(): StoredNode[]
  isDraining(): boolean
  /** Too long without a proof of our lease to say anything. */
  isSilent(): boolean
  /** Others may have taken us for dead and have begun to speak for what we have. */
  isDoubtful(): boolean
  /** Milliseconds by which the store's clock is ahead of ours. */
  skew(): number
  /** Somebody says that these have moved. */
  hear(moves: readonly Move[]): void
  /** Reads the map anew. Never throws. */
  look(): Promise<void>
  /** Takes nothing more and gives away what it has. Resolves once that is done, or there is nobody to give it to. */
  drain(): Promise<void>
  /** Leaves for good: whatever it has is free. */
  leave(): Promise<void>
  /** Ends without a word, as a process does that is killed. */
  stop(): void
}

export interface MembershipNeeds {
  /** One connection of our own: our lock lives on it, and no beat stands in line behind work. */
  lane: Pick<Lane, 'sql' | 'lost'>
  node: string
  /** For actors, as the store was laid out. */
  shards: number
  machines: Record<string, number>
  version: string
  url(): string | undefined
  application: string
  clock: Clock
  log: Log
  /** Waits for locks; without it locks tell nothing here, and leases alone count. */
  watchLock?: (key: number) => LockWatch
  lease?: Lease
  newLife?: () => string
  on: {
    /** A life begins: letters are written in its name from now on. */
    born(me: Doer): Promise<void>
    /** All that was ours is not any more, and whatever runs here is somebody else's. */
    surrendered(): void
    gained(shards: ReadonlySet<number>): void
    lost(shards: ReadonlySet<number>): void
    /** These are about to be given away. Resolves when their steps are over. */
    giving(shards: ReadonlySet<number>): Promise<void>
    /** We could not prove our lease for a while, and can again: what was put off is to be looked for. */
    resumed(): void
    /** To be told to everybody: shards have moved; without any, nodes have come or gone. */
    news(moves: readonly Move[]): void
    /** The map was read or has changed. */
    charted(chart: Chart): void
    /** An operator asks us to give everything away. */
    drained(): void
    /** Another process has our name. */
    ousted(): void
    /** A node was found to be gone. */
    fault(node: string, fault: 'lease ran out' | 'lock is free'): void
  }
}

class NameTaken extends Error {
  constructor(node: string) {
    super(`A node named ${node} is already running on this database; set another NODE_NAME.`)
  }
}

export function createMembership(needs: MembershipNeeds): Membership {
  const { lane, node, machines, version, url, application, clock, log, watchLock, lease, on, newLife = randomUUID } = needs
  let me: Doer = { node, life: newLife() }
  const proof = createProof(clock)
  const elsewhere = createElsewhere({ lease, proof, clock })
  const skew = createSkew({ node, clock, log })
  const lock = watchLock && createOwnLock({ lane, node, clock, log, lost: doubt })
  let state: 'out' | 'in' | 'silent' | 'over' = 'out'
  /** It leaves of its own will. */
  let leaving = false
  let draining = false
  let toldDraining = false

  const isFenced = () => state !== 'in' || proof.age() > FENCE
  const isSilent = () => state !== 'in' || proof.age() > SILENCE

  /** There is something that it does not do or say until its lease is proven. */
  const holdsBack = () => isFenced() || proof.isDoubtful()

  const jobs = createJobs({ clock, log })
  const holdings = createHoldings({
    life: () => (state === 'in' ? me.life : undefined),
    jobs: {
      ...jobs,
      start(name) {
        if (!proof.isUnconfirmed()) jobs.start(name)
      },
    },
    on: {
      lost: on.lost,
      gained: on.gained,
      charted(chart) {
        if (state === 'in') neighbours?.follow(neighbourOf(node, chart.nodes))
        on.charted(chart)
      },
    },
  })
  const takeover = createTakeover({
    lane,
    node,
    life: () => me.life,
    leaseTime: LEASE,
    holdings,
    isFenced,
    elsewhere,
    inTime: (work) => Promise.race([work, new Promise<void>((resolve) => clock.after(PATIENCE, resolve))]),
    log,
    on,
  })
  const neighbours =
    watchLock &&
    createNeighbourWatch({
      clock,
      log,
      watch: watchLock,
      free: (neighbour) => takeover.buryDead(neighbour).finally(() => void look()),
    })

  // A life ----------------------------------------------------------------------------------------------------------------

  async function enter() {
    // Where a session that nobody has any more still holds it, the lease in the store says whether the name is free.
    const hasLock = lock !== undefined && (await lock.take())
    const before = await lifeOf(lane, node)
    if (before && !hasLock && (await elsewhere.runs(before))) throw new NameTaken(node)
    const began = clock.ticks()
    const entry = { ...me, machines, version, url: url(), application, hasLock, lease: LEASE }
    if (!(await enterNode(lane, entry))) throw new NameTaken(node)
    proof.begins(began)
    state = 'in'
    if (before) elsewhere.end(before)
    await on.born(me)
    await elsewhere.give(me.life)
  }

  /** Others may take us for dead from now on: what must run once may run there. */
  function doubt() {
    if (state !== 'in') return
    proof.doubted(clock.ticks())
    jobs.stopAll()
    void look()
    void renewElsewhere()
  }

  function surrender(why: string) {
    if (state !== 'in') return
    state = 'silent'
    const had = holdings.giveUp()
    log.warn({ node, shards: had.size }, why)
    if (had.size > 0) on.lost(had)
    on.surrendered()
  }

  async function enterAnew() {
    surrender('the lease of this node has run out: what it had is somebody else’s')
    // Where we do not get our lock, a life that may still have its lease in the store would keep our own name from us.
    await leaveNode(lane, me.life)
    me = { node, life: newLife() }
    await enter()
    if (draining) await drainNode(lane, node)
    log.info({ node, life: me.life }, 'this node has entered anew')
  }

  // A look ----------------------------------------------------------------------------------------------------------------

  let looking: Promise<void> | undefined
  let again = false

  /** One at a time; whoever asks meanwhile is served by the next. */
  function look(): Promise<void> {
    if (looking) {
      again = true
      return looking
    }
    looking = lookOnce()
      .catch((error) => {
        if (error instanceof NameTaken) on.ousted()
        else log.warn({ err: error, node }, 'the map of the cluster could not be read')
      })
      .finally(() => {
        looking = undefined
        if (!again) return
        again = false
        void look()
      })
    return looking
  }

  /** The fingerprint of the map as the last look has shown it: it comes again once it is another, or ours is, by what we have heard. */
  let seen = ''
  let isBalancing = false

  // Where the lease is proven elsewhere the store alone was away: nobody has taken our place unless our row is gone.
  const renew = (known: string, key?: number) =>
    patiently(
      beatNode(lane, { life: me.life, oldest: isFenced() ? LEASE : elsewhere.latestBeat, seen: known, lock: key }).then((beat) => {
        if (beat.hasLock) lock?.got()
        return beat
      }),
    )

  async function lookOnce() {
    if (state === 'over') return
    if (state === 'silent') await enterAnew()
    const began = clock.ticks()
    const hasHeard = holdings.look()
    const beat = await renew(hasHeard ? '' : seen, lock?.key)
    skew.note(beat.now, began) // while the answer is fresh: tries for the lock take their time
    const hasLock = await lock?.take(beat.hasLock ?? undefined)
    if ((state as string) !== 'in') return // it was given up meanwhile
    if (!beat.alive) return enterAnew().then(() => void look())
    if (hasLock !== undefined) lock?.note(hasLock)
    const heldBack = holdsBack()
    proof.stored(began)
    const own = beat.nodes.find(({ life }) => life === me.life)
    draining = leaving || (own?.draining ?? draining)
    // Whoever took an operator's word back did not know that this node leaves by itself.
    if (leaving && own && !own.draining) await patiently(drainNode(lane, node))
    holdings.read(beat.nodes, beat.map)
    seen = beat.fingerprint
    if (heldBack) on.resumed()
    if (!draining) toldDraining = false
    else if (!toldDraining) {
      toldDraining = true
      on.drained()
    }
    await elsewhere.keep(me.life)
    // Not while we have just come back ourselves: those who are late may be about to.
    if (proof.contact() >= LEASE && (await takeover.buryLate())) again = true
    isBalancing = true
    await takeover.balance().finally(() => {
      isBalancing = false
    })
  }

  /** A beat and no more: shards that change hands wait for steps and locks, and no look may wait with them for its lease. */
  async function beatBeside() {
    const { life } = me
    const began = clock.ticks()
    const { alive } = await renew(seen)
    if (!alive || life !== me.life || state !== 'in') return // the next look sees to it
    const heldBack = holdsBack()
    proof.stored(began)
    if (heldBack) on.resumed()
  }

  /** Those that died before we came, whose locks are free already. */
  async function buryOld() {
    if (!watchLock) return
    const { nodes } = await beatNode(lane, { life: me.life, oldest: LEASE })
    for (const { node: dead, life } of nodes) {
      if (life === me.life || !(await buryNode(lane, life, 'lock', LEASE))) continue
      elsewhere.end(life)
      log.info({ node: dead }, 'a node has gone before we came')
    }
  }

  // Time ------------------------------------------------------------------------------------------------------------------

  const patiently = <T>(work: Promise<T>) => timely(clock, PATIENCE, work)

  let takeBackBeat = () => {}
  let takeBackCheck = () => {}

  function beatOn() {
    takeBackBeat = clock.after(BEAT, () => {
      if (state === 'over') return
      if (isBalancing) void beatBeside().catch(() => {}) // a look says what is wrong
      void look()
      beatOn()
    })
  }

  function checkOn() {
    const armed = clock.ticks()
    takeBackCheck = clock.after(CHECK, () => {
      if (state === 'over') return
      void renewElsewhere()
      if (state === 'in' && proof.age() > SILENCE) {
        // Who stood still itself may still have its lease: it says nothing until it knows.
        const stoodStill = clock.ticks() - armed > CHECK + FENCE - BEAT
        if (!stoodStill) surrender('this node could not prove its lease in time and says nothing more')
        void look()
      }
      checkOn()
    })
  }

  /** Between beats, so that a slow store alone silences nobody. */
  async function renewElsewhere() {
    if (state !== 'in') return
    const { life } = me
    const answer = await elsewhere.renew(life)
    if (!answer || life !== me.life || (state as string) !== 'in') return
    const heldBack = holdsBack()
    if (answer.runs) proof.elsewhere(answer.at)
    else proof.nowhere()
    if (heldBack && !holdsBack()) on.resumed()
  }

  return {
    get me() {
      return me
    },
    shards: needs.shards,
    shardOf: (actor) => shardAmong(actor, needs.shards),
    async open() {
      await enter()
      await buryOld()
      for (const name of jobs.names()) await nameJob(lane, name)
      await lookOnce()
      if (again) await look()
      beatOn()
      checkOn()
    },
    epochOf: (shard) => (isFenced() ? undefined : holdings.epochOf(shard)),
    voiceOf: holdings.voiceOf,
    held: () => (isFenced() ? [] : holdings.held()),
    close: jobs.stopAll,
    job(name, job) {
      jobs.add(name, job)
      if (state === 'in') void nameJob(lane, name).then(look, (error) => log.warn({ err: error, job: name }, 'a job could not be named'))
    },
    async ousted() {
      await look()
    },
    ownerOf: holdings.ownerOf,
    chart: holdings.chart,
    peers: () => holdings.chart().nodes.filter(({ life }) => life !== me.life),
    isDraining: () => draining,
    isSilent,
    isDoubtful: proof.isDoubtful,
    skew: skew.ms,
    hear(moves) {
      if (state !== 'in') return
      if (moves.length === 0) void look()
      else holdings.move(moves)
    },
    look,
    async drain() {
      leaving = draining = toldDraining = true
      await patiently(drainNode(lane, node))
      on.news([])
      await look()
      // The first may have been under way already.
      await look()
    },
    async leave() {
      takeBackBeat()
      takeBackCheck()
      // What a look still claims or gives away is free once we have left; and it may begin to watch another neighbour.
      if (looking) await patiently(looking).catch(() => {})
      state = 'over'
      neighbours?.stop()
      jobs.stopAll()
      await patiently(leaveNode(lane, me.life))
      on.news([])
    },
    stop() {
      state = 'over'
      jobs.stopAll()
      takeBackBeat()
      takeBackCheck()
      neighbours?.stop()
    },
  }
}
