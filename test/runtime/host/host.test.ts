/** The order of things in the host, on a store that is a map and a clock that a test moves. */
import { nobodyElse } from '../../../runtime/cluster/others.ts'
import { shardOf } from '../../../runtime/cluster/shards.ts'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Unstorable } from '../../../runtime/host/committer.ts'
import { type Ask, type KeptEvent, type Limits, type Needs, type Told, createHost, defaultLimits } from '../../../runtime/host/host.ts'
import type { Step, Tree } from '../../../runtime/host/tree.ts'
import { silent } from '../../../runtime/watch/log.ts'
import type { StoredActor } from '../../../sql/actors.ts'
import type { Outcome, StepRow } from '../../../sql/steps.ts'
import { handClock, settled } from '../../support/clock.ts'
import { random } from '../../support/random.ts'
import { policy } from '../../support/samples.ts'
import { within } from '../../support/within.ts'

type Way = 'well' | 'before' | 'after' | 'late' | 'unstorable' | 'never'

/** A store in memory with the promises of sql/004_steps.sql. */
function simulated({
  fate = () => 'well' as Way,
  limits = {} as Partial<Limits>,
  judges = (): boolean => true,
  ousted = async () => {},
  /** Whether actors are ours; what is not, and is told all the same, is kept for whoever has them. */
  ours = (): boolean => true,
  /** Whether what became of an event that waited is ours to say. */
  settles = (): boolean => true,
} = {}) {
  const clock = handClock()
  const actors = new Map<string, { version: number; tree: Tree; keys: Set<string> }>()
  const journal: string[] = []
  const log: string[] = []
  const told: Step[] = []
  const buried: Ask[] = []
  const me = { node: 'n1', life: 'l1' }
  let voice: number | undefined = 0
  const inbox: (KeptEvent & { resolve(told: Told): void })[] = []
  const retold: number[] = []
  let recoveries = 0
  let away = false
  const held: (() => Outcome)[] = []

  function apply(row: StepRow): Outcome {
    const stored = actors.get(row.actor)
    if (row.dedup && stored?.keys.has(row.dedup)) return 'duplicate'
    if ((stored?.version ?? 0) !== row.version) return 'fenced'
    const keys = new Set(stored?.keys)
    if (row.dedup) keys.add(row.dedup)
    actors.set(row.actor, { version: row.version + 1, tree: JSON.parse(JSON.stringify(row.tree)) as Tree, keys })
    journal.push(`${row.actor} ${row.dedup}`)
    return 'done'
  }

  const needs: Needs = {
    clock,
    log: silent,
    committer: {
      async commit(row) {
        log.push(`commit ${row.actor}`)
        const way = fate()
        await settled(1)
        const lost = () => new Error('the store did not answer')
        if (way === 'never') return new Promise(() => {})
        if (way === 'unstorable') throw new Unstorable('a NUL')
        if (way === 'before') throw lost()
        if (way === 'late') {
          held.push(() => apply(row))
          throw lost()
        }
        const outcome = apply(row)
        if (way === 'after') throw lost()
        return outcome
      },
    },
    ownership: { me, shardOf, epochOf: () => (ours() ? 0 : undefined), voiceOf: () => voice, ousted },
    ...nobodyElse,
    async elsewhere({ dedup = '', envelope, birth }) {
      const told = new Promise<Told>((resolve) => inbox.push({ dedup, envelope, ...(birth && { birth }), resolve }))
      return { told }
    },
    waiting: async () => inbox,
    refused() {},
    async settled(_, { dedup }, fate) {
      const [kept] = inbox.splice(
        inbox.findIndex((one) => one.dedup === dedup),
        1,
      )
      if ('told' in fate) kept?.resolve(fate.told)
      return settles()
    },
    ownerOf: async () => 'o',
    async load(_, actor): Promise<StoredActor | undefined> {
      log.push(`load ${actor}`)
      await settled(1)
      if (away) throw new Error('the store is away')
      const stored = actors.get(actor)
      return stored && { kind: 'conversation', version: stored.version, epoch: 0, machineVersion: 1, tree: stored.tree }
    },
    async bury(ask) {
      if (!judges()) return false
      buried.push(ask)
      return true
    },
    committed(place, step) {
      log.push(`told ${place.actor}`)
      told.push(step)
    },
    async retell({ actor }, after, last) {
      retold.push(after)
      // More may stand in the log by now: it is told when it is known.
      assert.is(last, actors.get(actor)?.tree.seq)
    },
    async recovered() {
      recoveries++
    },
  }
  const host = createHost(needs, { ...defaultLimits, ...limits })
  const birth = {
    kind: 'conversation' as const,
    owner: 'o',
    channel: 'web',
    input: { conversation: 'c', policy: policy({ window: 60_000, waiting: 1_000 }) },
  }
  const say = (actor: string, id: string, more: Partial<Ask> = {}) =>
    host.tell({
      tenant: 't',
      actor,
      dedup: id,
      birth,
      envelope: { to: 'root', event: { type: 'message.received', message: { id, text: id } } },
      ...more,
    })
  const said = (actor: string) =>
    ((actors.get(actor)?.tree.actors.root as { context?: { waiting: { id: string }[] } } | undefined)?.context?.waiting ?? []).map(
      ({ id }) => id,
    )
  return {
    host,
    clock,
    me,
    movesAway: () => {
      voice = undefined
    },
    say,
    said,
    log,
    told,
    buried,
    retold,
    recoveries: () => recoveries,
    journal,
    actors,
    arrive: () => held.splice(0).map((land) => land()),
    goAway: () => {
      away = true
    },
    damage: (actor: string) => Object.assign(actors.get(actor) as object, { tree: {} }),
    birth,
  }
}

test('nothing is told before its step is committed, and steps of one actor never overlap', async () => {
  const { say, log, said } = simulated()
  await within(2_000, Promise.all(['m1', 'm2', 'm3'].map((id) => say('c', id))))
  assert.equal(log, ['load c', 'commit c', 'told c', 'commit c', 'told c', 'commit c', 'told c'])
  assert.equal(said('c'), ['m1', 'm2', 'm3'])
})

test('an unknown conversation is refused where nobody brings it into the world', async () => {
  const { host, log } = simulated()
  const why = await host
    .tell({ tenant: 't', actor: 'c', envelope: { to: 'root', event: { type: 'user.stopped' } } })
    .catch((error: { code: string }) => error.code)
  assert.is(why, 'conversation.unknown')
  assert.equal(log, ['load c'])
})

test('shards are quiet once the steps that had begun in them are over, whatever begins elsewhere', async () => {
  const { host, say, log } = simulated()
  const here = new Set([shardOf('c')])
  await host.quiet(here)
  const told = say('c', 'm1')
  await host.quiet(here)
  assert.equal(log, ['load c', 'commit c', 'told c'])
  await told
  const elsewhere = say('d', 'm2')
  await host.quiet(here)
  assert.not(log.includes('told d'))
  await elsewhere
})

test('a node that has room for one keeps the order of all', async () => {
  const { say, said, host } = simulated({ limits: { residents: 1 } })
  const ids = Array.from({ length: 20 }, (_, n) => `m${n}`)
  await within(2_000, Promise.all(ids.flatMap((id) => ['a', 'b', 'c'].map((actor) => say(actor, id)))))
  for (const actor of ['a', 'b', 'c']) assert.equal(said(actor), ids)
  assert.is(host.counts().waiting, 0)
})

test('what comes from inside is tried again until the store is back, and what comes from outside is told to', async () => {
  let away = true
  const { host, say, clock, journal } = simulated({ fate: () => (away ? 'before' : 'well') })
  assert.is(await say('c', 'm1').catch((error: { code: string }) => error.code), 'store.unavailable')
  const inside = say('c', 'm1', { inside: true })
  await clock.pass(5_000)
  away = false
  await clock.pass(5_000)
  assert.is((await within(1_000, inside)).duplicate, false)
  assert.equal(journal, ['c m1'])
  await within(1_000, host.idle())
})

test('a step that cannot be stored is set aside at once, and the copy stays good', async () => {
  let way: Way = 'well'
  const { say, said, buried } = simulated({ fate: () => way })
  await say('c', 'm1')
  way = 'unstorable'
  assert.is(await say('c', 'm2').catch((error: { code: string }) => error.code), 'step.failed')
  way = 'well'
  await say('c', 'm3')
  assert.is(buried.length, 1)
  assert.equal(said('c'), ['m1', 'm3'])
})

test('work of a life that ended while its commit was under way is for whoever finds it', async () => {
  const input = { conversation: 'c', policy: policy({ window: 0 }) }
  for (const [life, calls] of [
    ['l1', 1],
    ['l2', 0],
  ] as const) {
    const { say, told, me, movesAway } = simulated({
      fate() {
        movesAway()
        me.life = life
        return 'well'
      },
    })
    await say('c', 'm1', { birth: { kind: 'conversation', owner: 'o', channel: 'web', input } })
    assert.is(told[0]?.calls.length, calls, life)
  }
})

test('whoever has lost the actor sets nothing aside, and asks once more whose it is', async () => {
  let way: Way = 'well'
  let ours = true
  const { say, said, buried } = simulated({
    fate: () => way,
    judges: () => ours,
    // The map was old: the actor had gone, and is back.
    async ousted() {
      ours = true
      way = 'well'
    },
  })
  await say('c', 'm1')
  ours = false
  way = 'unstorable'
  await say('c', 'm2')
  assert.equal([buried.length, said('c')], [0, ['m1', 'm2']])
})

test('an actor that comes to us is not told what comes later before what was kept for its owner', async () => {
  let ours = false
  const { say, said, journal } = simulated({ ours: () => ours })
  const first = say('c', 'm1')
  await settled(10)
  ours = true
  await say('c', 'm2')
  await within(1_000, first)
  assert.equal(
    [said('c'), journal],
    [
      ['m1', 'm2'],
      ['c m1', 'c m2'],
    ],
  )
})

test('who may not say what became of an event asks whose the actor is, and leaves the rest to its owner', async () => {
  let [ours, lost] = [false, 0]
  const { host, say, journal } = simulated({
    ours: () => ours,
    settles: () => false,
    async ousted() {
      lost++
    },
  })
  const all = [say('c', 'm1'), say('c', 'm2')]
  await settled(10)
  ours = true
  assert.is(await within(1_000, host.takeIn('t', 'c')), true)
  assert.equal([lost, journal], [1, ['c m1']])
  await within(1_000, all[0] as Promise<unknown>)
})

test('what was read of an actor before it went is not kept', async () => {
  const { host, say, said, log } = simulated()
  const here = new Set([shardOf('c')])
  await say('c', 'm1')
  host.letGo(here)
  const meeting = host.meet('t', 'c')
  await settled(1)
  assert.is(log.filter((what) => what === 'load c').length, 2, 'it is being read')
  host.letGo(here)
  await within(1_000, meeting)
  await say('c', 'm2')
  assert.equal([said('c'), log.filter((what) => what === 'load c').length], [['m1', 'm2'], 3])
})

test('a commit of unknown fate is looked for although nobody writes again', async () => {
  const ways: Way[] = ['well', 'after']
  const { say, clock, retold } = simulated({ fate: () => ways.shift() ?? 'well' })
  await say('c', 'm1')
  await say('c', 'm2').catch(() => undefined)
  await clock.pass(1_000)
  assert.equal(retold, [1], 'from the last event that was told')
})

test('an actor that is read again tells what was missed at once', async () => {
  const ways: Way[] = ['well', 'after']
  const { host, say, retold } = simulated({ fate: () => ways.shift() ?? 'well' })
  await say('c', 'm1')
  await say('c', 'm2').catch(() => undefined)
  assert.is(host.position('t', 'c'), 1)
  await host.refresh('t', 'c')
  assert.equal(retold, [1])
  assert.is(host.position('t', 'c'), 2)
  await host.refresh('t', 'c')
  assert.equal(retold, [1], 'and not again')
  await host.refresh('t', 'nobody')
})

test('a birth that was given up for lost, looked for in vain and arrives much later is told, and its work begins', async () => {
  const ways: Way[] = ['late']
  const { say, clock, arrive, retold, recoveries } = simulated({ fate: () => ways.shift() ?? 'well' })
  await say('c', 'm1').catch(() => undefined)
  await clock.pass(2_000)
  arrive()
  assert.equal([retold, recoveries()], [[], 0])
  assert.equal(await say('c', 'm1'), { duplicate: true })
  assert.equal([retold, recoveries()], [[0], 1])
})

test('a commit that was given up for lost and arrives much later is told, and its work begins', async () => {
  const ways: Way[] = ['late']
  const { say, clock, arrive, retold, recoveries } = simulated({ fate: () => ways.shift() ?? 'well', limits: { residents: 1 } })
  await say('c', 'm1').catch(() => undefined)
  await clock.pass(2_000) // it is looked for, and there is nothing yet
  await say('c', 'm2')
  assert.equal([retold, recoveries()], [[], 0])
  ways.push('late')
  await say('c', 'm3').catch(() => undefined)
  await clock.pass(2_000)
  arrive()
  assert.equal(await say('c', 'm3'), { duplicate: true })
  await clock.pass(2_000)
  assert.equal([retold, recoveries()], [[1], 2], 'looked for once in vain, and found')
})

test('a birth that was given up for lost and let go is begun all the same once its message is repeated', async () => {
  const ways: Way[] = ['late']
  const { say, clock, arrive, recoveries } = simulated({ fate: () => ways.shift() ?? 'well', limits: { residents: 1 } })
  await say('c', 'm1').catch(() => undefined)
  await clock.pass(2_000)
  await say('other', 'm1')
  arrive()
  assert.equal(await say('c', 'm1'), { duplicate: true })
  await clock.pass(2_000)
  assert.is(recoveries(), 1)
})

test('however many want an actor read again, it is read once, and its mailbox stays open', async () => {
  const ways: Way[] = ['well', 'never']
  const { host, say, log } = simulated({ fate: () => ways.shift() ?? 'well' })
  await say('c', 'm1')
  const stuck = say('c', 'm2')
  await settled()
  for (let asked = 0; asked < 300; asked++) void host.refresh('t', 'c')
  assert.is(host.counts().waiting, 2)
  assert.is(log.filter((line) => line === 'load c').length, 1)
  void stuck
})

test('an actor at rest that is read again is read again the next time as well', async () => {
  const { host, say, log } = simulated()
  await say('c', 'm1')
  for (let asked = 1; asked <= 3; asked++) {
    await within(1_000, host.refresh('t', 'c'))
    assert.is(log.filter((line) => line === 'load c').length, 1 + asked)
  }
})

test('however often an actor failed, it is looked at from time to time and not more often', async () => {
  const { say, clock, log, goAway } = simulated()
  goAway()
  for (let n = 0; n < 50; n++) {
    await say('c', `m${n}`).catch(() => undefined)
    await clock.pass(100)
  }
  const before = log.length
  await clock.pass(60_000)
  assert.ok(log.length - before <= 13, `${log.length - before} looks in a minute`)
  assert.ok(clock.waiting() <= 1)
})

test('an actor that makes no sense is not looked at for ever, and can be let go', async () => {
  const { host, say, clock, log, damage } = simulated({ limits: { residents: 1 } })
  await say('c', 'm1')
  damage('c')
  await host.refresh('t', 'c')
  assert.is(host.position('t', 'c'), undefined)
  const before = log.length
  await clock.pass(600_000)
  assert.is(log.length, before)
  await say('other', 'm1')
  assert.is(host.counts().residents, 1)
})

test('a crowd that is busy all at once is let go once it rests', async () => {
  const { host, say } = simulated({ limits: { residents: 2 } })
  await Promise.all(['a', 'b', 'c', 'd', 'e'].map((actor) => say(actor, 'm1')))
  await host.idle()
  assert.is(host.counts().residents, 2)
})

test('an actor whose last commit is unknown is not let go for another, and nobody passes over it meanwhile', async () => {
  const ways: Way[] = ['well', 'after']
  const { host, say, clock, retold } = simulated({ fate: () => ways.shift() ?? 'well', limits: { residents: 1 } })
  await say('c', 'm1')
  await say('c', 'm2').catch(() => undefined)
  await say('d', 'm1')
  assert.is(host.position('t', 'c'), 1)
  await clock.pass(1_000)
  assert.equal(retold, [1])
  assert.is(host.counts().residents, 1)
})

test('a birth of unknown fate is told from its first event', async () => {
  const ways: Way[] = ['after']
  const { say, clock, retold } = simulated({ fate: () => ways.shift() ?? 'well' })
  await say('c', 'm1').catch(() => undefined)
  await clock.pass(1_000)
  assert.equal(retold, [0])
})

test('an actor that was looked for and is not there stands before its first event', async () => {
  const { host, say } = simulated()
  assert.is(host.position('t', 'c'), undefined)
  await host.tell({ tenant: 't', actor: 'c', envelope: { to: 'root', event: { type: 'user.stopped' } } }).catch(() => undefined)
  assert.is(host.position('t', 'c'), 0)
  await say('c', 'm1')
  assert.is(host.position('t', 'c'), 1)
})

test('where an actor stands that cannot be read is for nobody to say', async () => {
  const { host, say, actors } = simulated()
  await say('c', 'm1')
  const stored = actors.get('c')
  assert.ok(stored)
  stored.tree = {} as Tree
  await host.refresh('t', 'c')
  assert.is(host.position('t', 'c'), undefined)
})

test('a commit that lands late is found by whoever is fenced by it', async () => {
  const ways: Way[] = ['well', 'late']
  const { say, clock, retold, recoveries, arrive, said } = simulated({ fate: () => ways.shift() ?? 'well' })
  await say('c', 'm1')
  await say('c', 'm2').catch(() => undefined)
  await clock.pass(1_000)
  assert.is(recoveries(), 1)
  assert.equal(retold, [], 'nothing had happened')
  arrive()
  await say('c', 'm3')
  assert.is(recoveries(), 2)
  assert.equal(retold, [1])
  assert.equal(said('c'), ['m1', 'm2', 'm3'])
})

test('a closed host lets go instead of trying for ever', async () => {
  const { host, say, clock } = simulated({ fate: () => 'before' })
  const inside = say('c', 'm1', { inside: true }).catch((error: { code: string }) => error.code)
  await clock.pass(100)
  host.close()
  await clock.pass(5_000)
  assert.is(await within(1_000, inside), 'store.unavailable')
})

test('whatever the store does, an accepted event is applied once and in order: 200 seeds', async () => {
  for (let seed = 0; seed < 200; seed++) {
    const chance = random(seed)
    const { host, say, said, clock, arrive } = simulated({
      fate: () => (chance.next() < 0.6 ? 'well' : chance.pick<Way>(['before', 'after', 'late'])),
      limits: { residents: 2 },
    })
    const ids = Array.from({ length: 6 }, (_, n) => `m${n}`)
    const senders = ['a', 'b', 'c'].map(async (actor) => {
      // A sender keeps its event until it is taken, and only then sends the next.
      for (const id of ids)
        while (
          !(await say(actor, id).then(
            () => true,
            () => false,
          ))
        );
    })
    let over = false
    const all = Promise.all(senders).then(() => (over = true))
    for (let n = 0; n < 400 && !over; n++) {
      await clock.pass(100)
      if (chance.next() < 0.3) arrive()
    }
    await within(2_000, all, `seed ${seed}`)
    arrive()
    await clock.pass(20_000)
    await within(2_000, host.idle())
    for (const actor of ['a', 'b', 'c']) assert.equal(said(actor), ids, `seed ${seed}`)
  }
})

test.run()
