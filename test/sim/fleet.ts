/** Lets the story of several nodes happen on one store, with the real cluster between them, and hands out every journal that was kept. */
import { createCluster } from '../../runtime/cluster/cluster.ts'
import type { LockWatch } from '../../runtime/cluster/neighbour.ts'
import { shardAmong } from '../../runtime/cluster/shards.ts'
import { type ClusterFacts, lockKey } from '../../sql/cluster.ts'
import type { Log } from '../../runtime/watch/log.ts'
import { type Chance, chances } from './chance.ts'
import { createAudit } from './fleet.audit.ts'
import { createSimNetwork } from './fleet.network.ts'
import { createSimRedis } from './fleet.redis.ts'
import { heirsAreOwners } from './fleet.rest.ts'
import type { Fleet, FleetAct } from './fleet.story.ts'
import { SHARDS, nameOf } from './homes.ts'
import { createGate } from './gate.ts'
import { type SimNode, createNode } from './node.ts'
import { createPeople, nobody, workLeft } from './people.ts'
import { createProviders } from './provider.ts'
import { type Act, type Story, isPersons, lasts } from './story.ts'
import type { Cables, Fate, SimStore, Weather } from './store.ts'
import { comeToRest } from './rest.ts'
import { START, type Time } from './time.ts'

/** Milliseconds that a fleet has to come together. */
const START_UP = 600
/** Milliseconds to show what comes of trouble before the sea is calm: of its end, and of a death that is to come yet or that a lease has to tell. */
const AFTERWARDS = 2_500
const AFTERMATH = 6_000
/** Milliseconds in which nothing may happen any more: longer than a round of a patrol. */
const STILLNESS = 2_500
/** Until whoever waits for a lock hears that it is free. */
const WATCHED = 3
/** Timers that a node among others may have at rest. */
export const FLEET_RINGS = 40

interface Seat {
  name: string
  place: number
  node: SimNode | undefined
  gate: ReturnType<typeof createGate> | undefined
  lane: Cables | undefined
  fuses: { after: number; stage: 'sent' | 'done'; down: number | undefined }[]
  storeCut: { until: number; torn: boolean }
  skew: number
  /** Gone for good. */
  gone: boolean
  leaving: boolean
}

export async function playFleet(
  story: Story & { fleet: Fleet },
  { time, store, trace }: { time: Time; store: SimStore; trace?: (line: string) => void },
) {
  await store.reset(true)
  time.restart(story.seed)
  const { fleet } = story
  const of = chances(story.seed)
  const lines: string[] = []
  const tell = (who: string, what: string) => {
    const line = `${String(time.now() - START).padStart(7)} ${who} ${what}`
    lines.push(line)
    trace?.(line)
  }
  const complaints: string[] = []
  const breaches: string[] = []
  const providers = createProviders(of, story.provider)
  let healed = false
  let away = 0
  let slow = { until: 0, most: 0 }
  let ends = 0
  const lives = new Map<string, number>()
  const newLife = (name: string) => {
    const n = (lives.get(name) ?? 0) + 1
    lives.set(name, n)
    return `${name}.${n}`
  }
  const seats: Seat[] = []
  const everybody: SimNode[] = []
  const [facts] = await store.ask<ClusterFacts>('select id, secret, shards from cluster')
  const network = createSimNetwork({ time, chance: of('letters'), letters: fleet.letters, isHealed: () => healed })
  const redis = createSimRedis(time)
  const audit = createAudit({ time, chats: story.chats.length, nodes: () => everybody, complain: (sentence) => breaches.push(sentence) })

  function seat(place: number) {
    const one: Seat = {
      name: nameOf(place),
      place,
      node: undefined,
      gate: undefined,
      lane: undefined,
      fuses: [],
      storeCut: { until: 0, torn: false },
      skew: fleet.clocks[place] ?? 0,
      gone: false,
      leaving: false,
    }
    seats.push(one)
    return one
  }

  /** What a process that is gone would say nobody hears. */
  function logOf(name: string, isAlive: () => boolean): Log {
    return {
      debug() {},
      info: (what, sentence) => isAlive() && tell(name, `${sentence} ${JSON.stringify(what)}`),
      warn: (what, sentence) => isAlive() && tell(name, `${sentence} ${describe(what)}`),
      error(what, sentence) {
        if (!isAlive()) return
        tell(name, `${sentence} ${describe(what)}`)
        complaints.push(`the log of ${name} says: ${sentence} ${describe(what)}`)
      },
    }
  }

  function weatherOf(mine: Seat, chance: Chance, gate: ReturnType<typeof createGate>): Weather {
    return {
      delay: () => {
        const { until, torn } = mine.storeCut
        return (torn ? 0 : Math.max(0, until - time.ticks())) + chance.delay(0.2, healed ? 3 : story.store.slowest)
      },
      slowness: () => (!healed && slow.until > time.ticks() ? chance.below(slow.most) : 0),
      fate: (): Fate =>
        !healed && chance.happens(story.store.breaking) ? chance.pick(['before', 'after', 'late', 'late'] as const) : 'ok',
      // Until then its transaction keeps the one session, and every other node waits.
      lateness: () => 5 + chance.below(1_000),
      isAway: () => away > time.now() || (mine.storeCut.torn && mine.storeCut.until > time.ticks()),
      passed(stage) {
        for (const fuse of mine.fuses) {
          if (fuse.stage !== stage || fuse.after-- > 0) continue
          mine.fuses = mine.fuses.filter((one) => one !== fuse)
          kill(mine, fuse.down, `${stage} a message`)
          return
        }
      },
      reach: (go) => gate.pass('message', go),
      isStill: () => gate.isShut() || mine.storeCut.until > time.ticks(),
    }
  }

  /** Of locks: each looks again when lines have ended or others count, and when whoever watches reaches the store again. */
  const watches = new Set<() => void>()
  function stir() {
    for (const look of watches) time.after(WATCHED, look)
  }

  let processes = 0
  function wake(mine: Seat) {
    const process = ++processes
    const { name, place } = mine
    const chance = of('node', name, process)
    const gate = createGate(time, of('gate', name, process))
    const weather = weatherOf(mine, chance, gate)
    const application = `${name}-${process}`
    // No beat stands behind work.
    const lane = store.cables(time, { ...weather, slowness: () => 0 }, application, 1)
    const isAlive = () => made?.isAlive() ?? true
    const log = logOf(name, isAlive)
    mine.node = undefined
    mine.gate = gate
    mine.lane = lane
    mine.leaving = false
    lane.closed(stir)
    stir()
    const made: SimNode = createNode({
      name,
      life: process,
      time,
      store,
      weather,
      providers,
      chance,
      limits: { residents: story.residents, perActor: story.perActor, perTenant: 1_000 },
      policy: story.policy,
      log,
      application,
      gate,
      skew: () => mine.skew,
      join({ db, local, clock }) {
        const cluster = createCluster({
          db,
          lane: { sql: lane.db.sql, lost: lane.lost },
          local: {
            ...local,
            publish(frame) {
              if (frame.name === 'reply.delta') {
                const epoch = cluster.membership.voiceOf(shardAmong(frame.room.slice(frame.room.indexOf('/') + 1), SHARDS))
                if (epoch !== undefined) audit.spoke(frame.room, epoch, cluster.membership.me.life)
              }
              local.publish(frame)
            },
          },
          facts: facts as ClusterFacts,
          node: name,
          machines: { conversation: fleet.old.includes(place) ? 0 : 1 },
          version: '1',
          url: () => undefined,
          clock,
          log,
          carriers: () => [network.carrierOf(name, gate, isAlive)],
          ...(fleet.locks && { watchLock: (key: number) => watchLock(key, mine, gate) }),
          ...(fleet.redis && { lease: redis.reachedBy(gate, of('redis', name, process)) }),
          newLife: () => newLife(name),
          drained() {},
          ousted: () => complaints.push(`${name} was told that somebody has its name`),
        })
        return cluster
      },
      failed(error) {
        tell(name, `could not start: ${(error as Error).message}`)
        if (mine.node === made) kill(mine, 1_000, 'its start failed')
      },
    })
    mine.node = made
    everybody.push(made)
    tell(name, `process ${process} begins`)
    void made.start()
  }

  /** Free once the connection is gone that holds it: the server sees a process that is killed at once. */
  function watchLock(key: number, watcher: Seat, gate: ReturnType<typeof createGate>): LockWatch {
    let over = false
    const holder = seats.find(({ name }) => lockKey(name) === key)
    let stop = () => {}
    const free = new Promise<void>((resolve, reject) => {
      const look = () => {
        if (over) return
        const isCut = away > time.now() || (watcher.storeCut.torn && watcher.storeCut.until > time.ticks())
        const isHidden = watcher.storeCut.until > time.ticks()
        if (!isCut && (isHidden || holder?.lane?.areOpen())) return
        stop()
        gate.pass('message', isCut ? () => reject(new Error('the store went away')) : resolve)
      }
      stop = () => {
        over = true
        watches.delete(look)
      }
      watches.add(look)
      time.after(WATCHED, look)
    })
    return { free, stop }
  }

  const inUse = () => seats.flatMap(({ node }) => (node?.isAlive() ? [node] : []))
  const others = (mine: Seat) => seats.filter((one) => one !== mine && !one.gone && one.node)

  function kill(mine: Seat, down: number | undefined, why: string) {
    const { node, name } = mine
    if (!node?.isAlive()) return
    tell(name, `is killed (${why})`)
    node.kill()
    mine.lane?.abandon(() => false)
    void node.cluster?.stop().catch(() => {})
    settle(mine, down)
  }

  /** It stands still, hears nothing, or counts as gone while it lives: a stop of what it does may not reach it. */
  function escape({ node }: Seat) {
    if (node) providers.disown(node.incarnation)
  }

  /** Comes back after so long, or never where somebody else is there who knows everything. */
  function settle(mine: Seat, down: number | undefined) {
    if (mine.gone) return
    const mayGo = others(mine).some(({ place }) => !fleet.old.includes(place))
    if (down === undefined && mayGo) mine.gone = true
    else time.after(down ?? 1_000, () => wake(mine))
  }

  const people = createPeople({
    story,
    of,
    time,
    store,
    tell,
    door(tab) {
      const { node } = of('door', tab, time.now()).pick(seats.filter(({ gone }) => !gone))
      return node?.isOpen() ? node.door : nobody
    },
    engine: () => seats.find(({ node, gate }) => node?.isOpen() && !gate?.isShut())?.node?.engine,
  })
  const { tabs } = people

  const acts: { [D in FleetAct['do'] | 'outage']: (act: Extract<Act, { do: D }>) => void } = {
    'node.kill'({ node, down, after, stage }) {
      const mine = seats[node]
      if (!mine) return
      if (after === undefined || !stage) kill(mine, down, 'at once')
      else mine.fuses.push({ after, stage, down })
    },
    'node.pause'({ node, ms }) {
      const mine = seats[node]
      const gate = mine?.gate
      if (!mine?.node?.isAlive() || !gate || gate.isShut()) return
      tell(mine.name, 'stands still')
      gate.shut()
      escape(mine)
      mine.node.cables.undo()
      mine.lane?.undo()
      time.after(ms, () => {
        tell(mine.name, 'goes on')
        gate.open()
      })
    },
    'node.leave'({ node: place, down }) {
      const mine = seats[place]
      const node = mine?.node
      if (!mine || !node?.isOpen() || mine.gate?.isShut() || others(mine).length === 0) return
      tell(mine.name, 'leaves')
      mine.leaving = true
      void node.leave(2_000).then((left) => {
        if (!node.isAlive()) return // killed on its way out, and its place is taken
        tell(mine.name, `has left, and ${left} pieces of work`)
        void mine.lane?.db.sql.end({ timeout: 1 })
        node.end()
        settle(mine, down)
      })
    },
    'node.join'() {
      wake(seat(seats.length))
    },
    'letters.cut'({ from, to, both, known, ms }) {
      const names = (places: number[]) => places.flatMap((place) => seats[place]?.name ?? [])
      for (const place of both ? [...from, ...to] : to) if (seats[place]) escape(seats[place])
      network.cut(names(from), names(to), ms, known)
      if (both) network.cut(names(to), names(from), ms, known)
    },
    'store.cut'({ node, torn, ms }) {
      const mine = seats[node]
      if (!mine) return
      mine.storeCut = { until: time.ticks() + ms, torn }
      escape(mine)
      stir()
      time.after(ms, stir)
      for (const cables of [mine.node?.cables, mine.lane]) {
        if (torn) cables?.tear()
        else cables?.undo()
      }
    },
    'store.slow'({ most, ms }) {
      slow = { until: time.ticks() + ms, most }
    },
    'clock.jump'({ node, by }) {
      const mine = seats[node]
      if (mine) mine.skew += by
    },
    'redis.wipe': () => redis.wipe(),
    'redis.away': ({ ms, hangs }) => redis.leave(ms, hangs),
    'lock.lost'({ node }) {
      const mine = seats[node]
      if (mine) escape(mine)
      mine?.node?.cables.tear()
      mine?.lane?.tear()
    },
    outage({ ms }) {
      away = Math.max(away, time.now() + ms)
      for (const { node, lane } of seats) {
        node?.cables.tear()
        lane?.tear()
      }
      stir()
    },
  }

  for (let place = 0; place < fleet.nodes; place++) {
    const mine = seat(place)
    if (place === 0) wake(mine)
    else time.after(of('start', place).below(400), () => wake(mine))
  }
  for (const act of story.acts)
    time.after(START_UP + act.at, () => {
      tell('act', JSON.stringify(act))
      if (isPersons(act)) people.act(act)
      else if (act.do in acts) acts[act.do as FleetAct['do']](act as never)
    })
  const isLate = (act: Act) => (act.do === 'node.kill' ? !fleet.locks || act.after !== undefined : act.do === 'lock.lost' && !fleet.locks)
  const over = Math.max(0, ...story.acts.map((act) => act.at + Math.max(isLate(act) ? AFTERMATH : 0, lasts(act) + AFTERWARDS)))
  await time.run(START + START_UP + over)
  tell('world', 'is healed')
  healed = true
  for (const one of seats) one.fuses = []
  providers.heal()

  const restless = await comeToRest({ time, store, whoIsAway, whatIsLeft, complaints })
  await time.run(time.now() + STILLNESS)
  for (let looks = 0; looks < 10 && inUse().some((node) => node.holds().rings > FLEET_RINGS); looks++) await time.run(time.now() + 7_000)

  function whoIsAway(): string {
    for (const { name, node, gone, gate } of seats) {
      if (gone) continue
      if (!node?.isOpen()) return `${name} is not open`
      if (gate?.isShut()) return `${name} stands still`
      if (node.cluster?.membership.isSilent()) return `${name} cannot prove its lease`
    }
    return ''
  }

  async function whatIsLeft(): Promise<string> {
    const unserved = people.unserved()
    if (unserved) return unserved
    const left = await workLeft(store, !fleet.isPatient)
    for (const node of inUse()) {
      const { waiting } = node.holds()
      if (waiting > 0) return `${waiting} jobs that wait at ${node.name}`
      const asked = node.cluster?.counts().waiting ?? 0
      if (asked > 0) return `${asked} events of whose end ${node.name} has yet to hear`
    }
    return left || (await heirsAreOwners(store, inUse())) || people.unheard()
  }

  audit.close()
  const total: Record<string, number> = {}
  for (const node of inUse())
    for (const [what, count] of Object.entries(node.holds()))
      total[what] = what === 'rings' ? Math.max(total[what] ?? 0, count) : (total[what] ?? 0) + count
  const watched = new Set(tabs.map(({ chat }) => chat)).size
  const mirrors = inUse().reduce((sum, node) => sum + (node.cluster?.counts().mirrors ?? 0), 0)
  if (mirrors > watched * inUse().length || mirrors > tabs.length) complaints.push(`${mirrors} mirrors for ${tabs.length} tabs`)
  for (const { sentence } of await store.ask<{ sentence: string }>('select sentence from breaches').catch(() => [])) breaches.push(sentence)
  ends = [...lives.values()].reduce((sum, n) => sum + n, 0) - inUse().length
  return {
    story,
    tabs,
    providers,
    kills: ends,
    restless,
    holds: total as ReturnType<SimNode['holds']>,
    lines,
    complaints,
    breaches,
    seconds: (time.now() - START) / 1_000,
    /** Lets the last lives go, and forgets them. */
    async close() {
      people.leave()
      for (const mine of seats) {
        mine.gone = true
        if (mine.node?.isAlive()) kill(mine, undefined, 'the world is over')
      }
      await time.run(time.now() + 2_000)
    },
  }
}

function describe(what: object): string {
  const { err, ...rest } = what as { err?: Error }
  return `${err ? `${err.name}: ${err.message}` : ''} ${JSON.stringify(rest)}`
}
