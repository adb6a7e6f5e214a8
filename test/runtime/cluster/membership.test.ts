/** One node and its lease, on the real store. What several nodes do to each other is for the simulation. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Lease } from '../../../runtime/cluster/lease.ts'
import { LOCK_AGAIN } from '../../../runtime/cluster/lock.ts'
import { type Membership, createMembership } from '../../../runtime/cluster/membership.ts'
import { openFacts } from '../../../runtime/cluster/ownership.ts'
import { BEAT, DOUBT, FENCE, LEASE, LATEST_BEAT, SILENCE } from '../../../runtime/cluster/proof.ts'
import { SHARDS } from '../../../runtime/cluster/shards.ts'
import { silent } from '../../../runtime/watch/log.ts'
import { drainNode, enterNode, lockKey } from '../../../sql/cluster.ts'
import type { Database } from '../../../sql/database.ts'
import { handClock, settled } from '../../support/clock.ts'
import { stores } from '../../support/postgres.ts'
import { until } from '../../support/until.ts'
import { ward } from '../../support/ward.ts'

/** At the next turn of the loop. */
const at = (ring: () => void) => {
  const turn = setImmediate(ring)
  return () => clearImmediate(turn)
}

/** Milliseconds between its looks at its own silence. */
const CHECK = 250

/** Another node, as it enters. */
const neighbour = {
  node: 'n2',
  life: 'n2.1',
  machines: { conversation: 1 },
  version: '1',
  url: undefined,
  application: 'test',
  hasLock: false,
  lease: LEASE,
}

/** On a store that knows no node. */
async function withMember(
  db: Database,
  use: (given: Given) => Promise<void>,
  { isLone = false, hasLock = false, hasGhost = false, findsDead = false }: Manner = {},
) {
  await db.sql`delete from nodes`
  await db.sql`update shards set life = null, node = null`
  await db.sql`delete from shards where name is not null`
  if (findsDead) await enterNode(db, neighbour)
  const ghost = hasGhost ? await db.sql.reserve() : undefined
  if (ghost) await ghost`select pg_advisory_lock(${lockKey('n1')})`
  const clock = handClock()
  let set = 0
  let tried = 0
  const told: string[] = []
  const warnings: string[] = []
  let beats = 0
  let proving = 0
  let isElsewhere: boolean | undefined = true
  let asked = () => {}
  const saysElsewhere = () => {
    const is = isElsewhere
    asked()
    return is ?? Promise.reject(new Error('nobody can say'))
  }
  const given: string[] = []
  const ended: string[] = []
  let isAway = false
  let lateness: Promise<void> | undefined
  let lose = () => {}
  let giving = Promise.resolve()
  // As a lane is: a lock is its session's.
  const line = hasLock ? await db.sql.reserve() : undefined
  const lane = {
    sql: new Proxy(line ?? db.sql, {
      apply(sql, _, asked: [TemplateStringsArray, ...never[]]) {
        if (isAway) return Promise.reject(new Error('away'))
        const answer = Reflect.apply(sql, undefined, asked)
        const text = asked[0]?.join?.('') ?? ''
        if (!/beat_node|advisory_lock/.test(text)) return answer
        proving++
        const isOver = () => void proving--
        void answer.then(() => (beats += Number(text.includes('beat_node')))).then(isOver, isOver)
        return lateness?.then(() => answer) ?? answer
      },
    }),
    lost: (hear: () => void) => void (lose = hear),
  }
  const lease: Lease = {
    give: async (life) => void given.push(life),
    renew: async () => saysElsewhere(),
    runs: async () => saysElsewhere(),
    end: async (life) => void ended.push(life),
  }
  let lives = 0
  const watched = new Set<number>()
  const member = createMembership({
    lane,
    node: 'n1',
    shards: SHARDS,
    machines: { conversation: 1 },
    version: '1',
    url: () => undefined,
    application: 'test',
    clock: {
      ...clock,
      now: () => clock.now() + set + tried,
      ticks: () => clock.ticks() + tried,
      // The store's answers take real time, and so do the pauses between two tries for a lock: other timers do not wait for them.
      after(ms, ring) {
        if (ms !== LOCK_AGAIN) return clock.after(ms, ring)
        return at(() => {
          tried += ms
          ring()
        })
      },
    },
    log: { ...silent, warn: (_, sentence) => void warnings.push(sentence) },
    ...(!isLone && { lease }),
    ...((hasLock || hasGhost) && {
      watchLock(key) {
        watched.add(key)
        return { free: new Promise<void>(() => {}), stop: () => void watched.delete(key) }
      },
    }),
    newLife: () => `n1.${++lives}`,
    on: {
      born: async ({ life }) => void told.push(`born ${life}`),
      surrendered: () => void told.push('surrendered'),
      gained() {},
      lost() {},
      giving: () => giving,
      resumed: () => void told.push('resumed'),
      news() {},
      charted() {},
      drained() {},
      ousted: () => void told.push('ousted'),
      fault() {},
    },
  })
  await member.open()
  assert.is(member.held().length, SHARDS)
  try {
    await use({
      member,
      told,
      warnings,
      watched,
      db,
      async beaten(use) {
        const before = beats
        use()
        await until(() => beats > before && proving === 0, 'the beat')
      },
      lose: () => lose(),
      late() {
        let arrive = () => {}
        lateness = new Promise((resolve) => (arrive = resolve))
        return () => {
          lateness = undefined
          arrive()
        }
      },
      now: () => clock.now() + set + tried,
      elsewhere: (is, then = () => {}) => {
        isElsewhere = is
        asked = then
      },
      given,
      ended,
      setClock: (by) => (set += by),
      pass: clock.pass,
      move: clock.move,
      async live(ms) {
        for (let left = ms; left > 0; left -= 1_000) {
          await clock.pass(1_000)
          await member.look()
        }
      },
      async busy() {
        let end = () => {}
        giving = new Promise((resolve) => {
          end = resolve
        })
        await enterNode(db, neighbour)
        const look = member.look()
        while (member.held().length === SHARDS) await settled(1)
        return () => {
          end()
          return look
        }
      },
      async torn(ms) {
        await clock.pass(1) // no proof is of the same moment
        isAway = true
        lose()
        await clock.pass(ms)
      },
      async gone(ms) {
        isAway = true
        await clock.pass(ms)
      },
      async away(ms) {
        isAway = true
        await clock.pass(ms)
        // The clock of the store is a real one.
        await db.sql`update nodes set beat_at = now() - ${`${ms} milliseconds`}::interval`
        isAway = false
      },
    })
  } finally {
    member.stop()
    if (line) await line`select pg_advisory_unlock_all()`
    line?.release()
    if (ghost) await ghost`select pg_advisory_unlock_all()`
    ghost?.release()
  }
}

interface Manner {
  /** There is no lease beside the store. */
  isLone?: boolean
  /** There are locks. */
  hasLock?: boolean
  /** There are locks, and another session holds that of the node. */
  hasGhost?: boolean
  /** A neighbour has gone before it came. */
  findsDead?: boolean
}

interface Given {
  member: Membership
  db: Database
  told: string[]
  /** What stands in its log. */
  warnings: string[]
  /** The locks of neighbours that it waits for. */
  watched: ReadonlySet<number>
  /** Does this, and resolves when the store has answered a beat that it set off. */
  beaten(use: () => void): Promise<void>
  /** Its line ends. */
  lose(): void
  /** What it asks the store about its life is answered only when the answer is called. */
  late(): () => void
  /** What the clock of its machine shows. */
  now(): number
  /** Whether the leases beside the store run, undefined: nobody can say; and what happens when somebody asks. */
  elsewhere(is: boolean | undefined, then?: () => void): void
  /** The lives to which a lease beside the store was given, and of which it was ended. */
  given: readonly string[]
  ended: readonly string[]
  pass(ms: number): Promise<void>
  /** At once. */
  move(ms: number): void
  /** Time goes by, with a look a second. */
  live(ms: number): Promise<void>
  /** Somebody sets the clock of this machine. */
  setClock(by: number): void
  /** A neighbour has come, and it waits for steps to be over to give it what is the neighbour's. What is answered ends them. */
  busy(): Promise<() => Promise<void>>
  /** Its lines to the store end, and so many milliseconds go by without the store, which stays away. */
  torn(ms: number): Promise<void>
  /** The same where the lines do not end. */
  gone(ms: number): Promise<void>
  /** The store does not answer for so many milliseconds. */
  away(ms: number): Promise<void>
}

for (const variant of stores()) {
  const test = suite(`membership (${variant.name})`)
  const { db } = ward(test, variant)
  const about = (text: string, use: (given: Given) => Promise<void>, manner?: Manner) => test(text, () => withMember(db(), use, manner))

  about(
    'who leaves waits for no neighbour, also where it is looking at that very moment',
    async ({ member, db, watched }) => {
      await enterNode(db, neighbour)
      await member.look()
      assert.equal([...watched], [lockKey('n2')])
      await enterNode(db, { ...neighbour, node: 'n3', life: 'n3.1' })
      await db.sql`delete from nodes where node = 'n2'`
      const looking = member.look()
      await member.leave()
      await looking
      assert.equal([...watched], [])
    },
    { hasLock: true },
  )

  about('while the store is away a lease elsewhere proves a life, which goes on with all that it had', async ({ member, told, away }) => {
    const epoch = member.epochOf(7)
    await away(LEASE + 1_000)
    assert.is(member.epochOf(7), epoch)
    await member.look()
    assert.is(member.epochOf(7), epoch)
    assert.is(member.held().length, SHARDS)
    assert.equal(told, ['born n1.1'])
  })

  about('a node without any proof takes no step, then says nothing, and begins a new life', async ({ member, told, away, elsewhere }) => {
    const epoch = member.epochOf(7) as number
    elsewhere(false)
    await away(FENCE + 100)
    assert.equal([member.epochOf(7), member.isSilent()], [undefined, false])
    await away(SILENCE - FENCE + CHECK)
    assert.is(member.isSilent(), true)
    // Here the store believes that the life before has its lease, and would keep the name for it.
    await member.look()
    await member.look()
    assert.equal(told, ['born n1.1', 'surrendered', 'born n1.2'])
    assert.is(member.epochOf(7), epoch + 1)
  })

  about(
    'whom the store counts as late begins a new life, where nothing else has proven it',
    async ({ member, db, told, away, elsewhere }) => {
      elsewhere(false)
      await away(FENCE + 100)
      await db.sql`update nodes set beat_at = now() - ${`${LEASE + 1} milliseconds`}::interval`
      await member.look()
      assert.equal(told, ['born n1.1', 'surrendered', 'born n1.2'])
    },
  )

  about('a lease elsewhere that is wiped has proven nothing', async ({ member, told, gone, elsewhere }) => {
    await gone(LEASE)
    assert.is(member.isSilent(), false)
    elsewhere(false)
    await gone(CHECK)
    assert.is(member.isSilent(), true)
    await gone(CHECK)
    assert.equal(told, ['born n1.1', 'surrendered'])
  })

  about(
    'whose lock went with its line proves itself anew, and is in doubt when it cannot: heirs need not wait for its lease',
    async ({ member, told, torn, gone, away }) => {
      await torn(DOUBT)
      assert.is(member.isDoubtful(), false)
      await gone(1)
      assert.equal([member.isDoubtful(), member.isSilent(), member.epochOf(7) !== undefined], [true, false, true])
      await away(0)
      await member.look()
      assert.is(member.isDoubtful(), false)
      assert.equal(told, ['born n1.1', 'resumed'])
      // The lock was taken again and can be lost again.
      await torn(DOUBT + 1)
      assert.is(member.isDoubtful(), true)
    },
    { isLone: true, hasLock: true },
  )

  about(
    'whose lock went with its line is in no doubt where it is proven elsewhere: whatever became of it is heard there',
    async ({ member, told, torn, elsewhere }) => {
      await torn(DOUBT + 1)
      assert.is(member.isDoubtful(), false)
      elsewhere(undefined)
      await torn(DOUBT + 1)
      assert.is(member.isDoubtful(), false, 'it had no lock any more that could be lost')
      assert.equal(told, ['born n1.1'])
    },
    { hasLock: true },
  )

  about(
    'whose lock went with its line asks elsewhere at once, and again and again: it may be buried any time',
    async ({ member, torn, gone, elsewhere }) => {
      await torn(0)
      elsewhere(undefined)
      await gone(DOUBT + 1)
      assert.is(member.isDoubtful(), false)
      elsewhere(false)
      await gone(CHECK)
      assert.is(member.isDoubtful(), true)
    },
    { hasLock: true },
  )

  about(
    'whom a lease elsewhere proves late tells then what it has held back',
    async ({ member, told, torn, gone, elsewhere }) => {
      elsewhere(undefined)
      await torn(DOUBT + 1)
      assert.is(member.isDoubtful(), true)
      elsewhere(true)
      await gone(CHECK)
      assert.is(member.isDoubtful(), false)
      assert.equal(told, ['born n1.1', 'resumed'])
    },
    { hasLock: true },
  )

  about(
    'whose line alone went proves itself on another without being asked',
    async ({ member, told, beaten, lose, pass }) => {
      await pass(1) // no proof is of the same moment
      await beaten(lose)
      await pass(DOUBT + 1)
      assert.is(member.isDoubtful(), false)
      assert.equal(told, ['born n1.1'])
    },
    { isLone: true, hasLock: true },
  )

  about('a lease elsewhere does not replace the store: without it for long a life is over', async ({ member, told, away }) => {
    await away(LATEST_BEAT + CHECK)
    assert.is(member.isSilent(), true)
    assert.equal(told, ['born n1.1', 'surrendered'])
  })

  about(
    'where there is no lease elsewhere a beat that comes too late is refused, whatever the node believes',
    async ({ member, db, told }) => {
      await db.sql`update nodes set beat_at = now() - ${`${LEASE + 1} milliseconds`}::interval`
      await member.look()
      assert.equal(told, ['born n1.1', 'surrendered', 'born n1.2'])
    },
    { isLone: true },
  )

  about('an operator sends a node away and takes that back', async ({ member, db, live }) => {
    await drainNode(db, 'n1')
    await live(2_000)
    assert.is(member.isDraining(), true)
    await drainNode(db, 'n1', false)
    await live(2_000)
    assert.is(member.isDraining(), false)
  })

  about('a node that leaves by itself goes on leaving, whatever an operator takes back', async ({ member, db, live }) => {
    await member.drain()
    await drainNode(db, 'n1', false)
    await live(2_000)
    const [row] = await db.sql<[{ draining: boolean }]>`select draining from nodes where node = 'n1'`
    assert.equal([member.isDraining(), row.draining], [true, true])
  })

  about('a database that was laid out for another number of shards is refused', async ({ db }) => {
    await db.sql`update cluster set shards = 512`
    try {
      const said = await openFacts(db).then(
        () => 'taken',
        ({ message }: Error) => message,
      )
      assert.match(said, /laid out for 512 shards and this program has 1024/)
    } finally {
      await db.sql`update cluster set shards = ${SHARDS}`
    }
  })

  about('a clock that is set between two beats is seen at once', async ({ member, setClock }) => {
    const before = member.skew()
    setClock(3_600_000)
    assert.is(member.skew(), before - 3_600_000)
  })

  about(
    'a shard is given away once the steps that are under way in it are over, and takes no new ones meanwhile',
    async ({ member, db, busy }) => {
      const given = async () => (await db.sql<{ shard: number }[]>`select shard from shards where life = 'n2.1'`).map(({ shard }) => shard)
      const over = await busy()
      // Time enough to give them away all the same.
      for (let looks = 0; looks < 20; looks++) assert.equal(await given(), [])
      await over()
      const theirs = await given()
      assert.ok(theirs.length > 0 && theirs.length < SHARDS, `${theirs.length} shards`)
      for (const shard of theirs) assert.is(member.voiceOf(shard), undefined)
      assert.is(member.held().length, SHARDS - theirs.length)
    },
  )

  about('a node that waits for its steps to give shards away beats on', async ({ db, busy, pass }) => {
    const over = await busy()
    await db.sql`update nodes set beat_at = now() - interval '3 seconds' where life = 'n1.1'`
    await pass(BEAT)
    const isLate = async () => (await db.sql`select from nodes where life = 'n1.1' and beat_at < now() - interval '2 seconds'`).length > 0
    for (let looks = 0; looks < 200 && (await isLate()); looks++);
    assert.is(await isLate(), false)
    await over()
  })

  about('a node that is late is given up once its lease cannot run elsewhere either, also where nobody can say', async (given) => {
    const { db, elsewhere, live, member } = given
    const seen = async (ms: number) => {
      await db.sql`update nodes set beat_at = now() - ${`${ms} milliseconds`}::interval where life = 'n2.1'`
      // The first may have been under way already.
      await member.look()
      await member.look()
      return (await db.sql`select from nodes where life = 'n2.1'`).length === 1
    }
    const late = { ...neighbour, machines: {} }
    await enterNode(db, late)
    elsewhere(true)
    await live(LEASE + 1_000)
    assert.is(await seen(LEASE + 1_000), true)
    elsewhere(undefined)
    assert.is(await seen(LEASE + 1_000), true)
    assert.is(await seen(LATEST_BEAT + 1), false)
    await enterNode(db, late)
    elsewhere(false)
    assert.is(await seen(LEASE + 1_000), false)
  })

  about('of a life that is buried nothing is left elsewhere that would prove it', async ({ member, db, live, elsewhere, ended }) => {
    elsewhere(false)
    await live(LEASE + 1_000)
    await enterNode(db, neighbour)
    await member.look()
    assert.equal(ended, [])
    await db.sql`update nodes set beat_at = now() - ${`${LEASE + 1} milliseconds`}::interval where life = 'n2.1'`
    await member.look()
    await member.look()
    assert.equal(ended, ['n2.1'])
  })

  about('a name is taken as long as its lease runs elsewhere, and nothing of it is left there after', async (given) => {
    const { member, db, told, elsewhere, ended } = given
    const other = async (life: string) => {
      await db.sql`delete from nodes`
      await enterNode(db, { ...neighbour, node: 'n1', life })
      await db.sql`update nodes set beat_at = now() - ${`${LEASE + 1} milliseconds`}::interval`
    }
    await other('old')
    elsewhere(false)
    await member.look()
    await member.look()
    assert.equal([told, ended], [['born n1.1', 'surrendered', 'born n1.2'], ['old']])
    elsewhere(true)
    await other('older')
    for (let looks = 0; looks < 5 && !told.includes('ousted'); looks++) await member.look()
    assert.equal([told.slice(3, 5), ended], [['surrendered', 'ousted'], ['old']])
  })

  about(
    'whose line ends while it is proven elsewhere is given no lease there that was ended meanwhile',
    async ({ member, given, elsewhere, lose, move }) => {
      elsewhere(false)
      await member.look()
      const before = given.length
      assert.ok(before > 1, 'what was wiped is given anew')
      elsewhere(false, () => {
        elsewhere(undefined)
        move(1) // no two things are of the same moment
        lose()
      })
      await member.look()
      assert.is(given.length, before)
    },
    { hasLock: true },
  )

  about('who stood still since its beat is given no lease elsewhere that is gone', async ({ member, given, elsewhere, move }) => {
    const before = given.length
    elsewhere(false, () => {
      elsewhere(undefined)
      move(2 * BEAT)
    })
    await member.look()
    assert.is(given.length, before)
  })

  about(
    'what must run once ends in the moment in which heirs may begin it, and begins again once the store has said that there are none',
    async ({ member, told, torn, gone, away }) => {
      let running = 0
      member.job('poll', async (signal) => {
        running++
        await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
        running--
      })
      await until(() => running === 1, 'the job')
      await torn(0)
      await settled(1)
      assert.is(running, 0)
      // That others have moved says nothing of it.
      member.hear([{ shard: 7, epoch: 1_000, life: 'n2.1' }])
      // Nor does a lease elsewhere: it would have been there as well, had we been buried.
      await gone(DOUBT + CHECK)
      assert.equal([running, member.isDoubtful(), told.includes('surrendered')], [0, false, false])
      await away(0)
      await member.look()
      await until(() => running === 1, 'the job')
    },
    { hasLock: true },
  )

  about(
    'a lock that is given by an answer for which nobody waits any more is known to be ours, and so is its loss',
    async ({ lose, late, beaten, gone, elsewhere }) => {
      const arrive = late()
      await beaten(lose)
      await gone(3_000)
      arrive()
      await settled(3)
      let asked = 0
      elsewhere(true, () => asked++)
      lose()
      await settled(3)
      assert.is(asked, 1)
    },
    { hasLock: true },
  )

  about('who was buried begins a new life, whatever is proven elsewhere', async ({ member, db, told }) => {
    await db.sql`delete from nodes`
    await member.look()
    await member.look()
    assert.equal(told, ['born n1.1', 'surrendered', 'born n1.2'])
    assert.is(member.held().length, SHARDS)
  })

  // The embedded store has one session, which gets every lock, and has just been started.
  if (variant.name === 'postgres') {
    about(
      'of whom it finds dead when it comes nothing is left elsewhere either',
      async ({ ended }) => assert.equal(ended, [neighbour.life]),
      { hasLock: true, findsDead: true },
    )

    about(
      'whose tries for its lock take their time knows what time it is all the same',
      async ({ member, now }) => {
        const before = Date.now()
        await member.look()
        // All of the pauses come behind the answer that says the time.
        assert.ok(now() + member.skew() >= before + 4 * LOCK_AGAIN - 1, `${now() + member.skew() - before} ms`)
      },
      { hasGhost: true },
    )

    about(
      'who lives goes on where a session that nobody has any more holds its lock, and the lease says whose the name is',
      async ({ member, db, told, warnings }) => {
        await member.look()
        await member.look()
        assert.equal(told, ['born n1.1'])
        assert.is(warnings.filter((sentence) => sentence.includes('holds the lock of this node')).length, 1)
        await db.sql`delete from nodes`
        await member.look()
        await member.look()
        assert.equal(told, ['born n1.1', 'surrendered', 'born n1.2'])
        assert.is(member.held().length, SHARDS)
        // Another process lives under the name.
        await db.sql`update nodes set life = 'other', beat_at = now()`
        // A look that was under way has not seen it.
        for (let looks = 0; looks < 5 && !told.includes('ousted'); looks++) await member.look()
        assert.equal(told.slice(3, 5), ['surrendered', 'ousted'])
      },
      { hasGhost: true },
    )
  }

  test.run()
}
