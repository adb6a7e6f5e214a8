/** The seam of a join, on a real store whose answers can come late. */
import { ownStage } from '../../../runtime/cluster/stage.ts'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { join } from '../../../runtime/gateway/join.ts'
import type { Joined } from '../../../runtime/gateway/protocol.ts'
import { memoryBus } from '../../../runtime/cluster/bus.memory.ts'
import { type Bus, roomOf } from '../../../runtime/cluster/bus.ts'
import type { Database } from '../../../sql/database.ts'
import { tenant } from '../../support/heart.ts'
import { pglite } from '../../support/postgres.ts'
import { ward } from '../../support/ward.ts'
import { within } from '../../support/within.ts'

const test = suite('a join')
const { db, chat, heart } = ward(test, pglite)

/** The answer to the first look at a page is on its way while something else happens. */
function meanwhile(db: Database, happen: () => Promise<unknown>): Database {
  let looked = false
  const sql = new Proxy(db.sql, {
    apply(target, self, args: [TemplateStringsArray, ...unknown[]]) {
      const answer = Reflect.apply(target as never, self, args) as Promise<unknown>
      if (looked || !args[0]?.join?.('').includes('read_page')) return answer
      looked = true
      return answer.then(async (page) => {
        await happen()
        return page
      })
    },
  })
  return { ...db, sql } as Database
}

/** Says it, and waits until nothing is left to do. */
async function through({ say, engine }: Awaited<ReturnType<typeof heart>>, conversation: string, id: string) {
  await say(conversation, id)
  await within(10_000, engine.runner.quiet(5_000))
  await engine.host.idle()
}

test('a conversation that is begun while somebody joins is not missed by a word', async () => {
  const c = chat()
  const one = await heart()
  const slow = meanwhile(db(), () => one.say(c, 'm1'))
  const later: number[] = []
  let joined: Joined | undefined
  await within(
    10_000,
    join({ db: slow, bus: one.bus, stage: ownStage(one.engine) }, tenant, c, { seq: 0 }, (answer) => {
      joined = answer
      one.bus.watch(roomOf(tenant, c), ({ payload }) => {
        const { seq } = payload as { seq?: number }
        if (seq !== undefined) later.push(seq)
      })
    }),
  )
  await within(10_000, one.engine.runner.quiet(5_000))
  await one.engine.host.idle()
  const told = [...(joined?.missed ?? []).flatMap(([, payload]) => (payload as { seq?: number }).seq ?? []), ...later]
  assert.ok(told.length >= 4, JSON.stringify(told))
  assert.equal(
    told,
    told.map((_, at) => at + 1),
  )
})

test('what happens while somebody joins is in the answer, and nothing of it comes again', async () => {
  const c = chat()
  const one = await heart()
  const through = async (id: string) => {
    await one.say(c, id)
    await within(10_000, one.engine.runner.quiet(5_000))
    await one.engine.host.idle()
  }
  await through('m1')
  const stood = one.engine.host.position(tenant, c) as number
  let watchers = 0
  const bus: Bus = {
    ...one.bus,
    watch(room, hear) {
      watchers++
      const leave = one.bus.watch(room, hear)
      return () => {
        watchers--
        leave()
      }
    },
  }
  let joined: Joined | undefined
  const slow = meanwhile(db(), () => through('m2'))
  await within(
    10_000,
    join({ db: slow, bus, stage: ownStage(one.engine) }, tenant, c, { seq: stood }, (answer) => {
      joined = answer
    }),
  )
  assert.is(joined?.seq, one.engine.host.position(tenant, c))
  assert.ok((joined?.seq ?? 0) > stood)
  assert.equal(
    joined?.missed?.flatMap(([, payload]) => (payload as { seq?: number }).seq ?? []),
    Array.from({ length: (joined?.seq ?? 0) - stood }, (_, at) => stood + at + 1),
  )
  assert.is(joined?.messages.length, 4)
  assert.is(watchers, 0, 'and nobody listens for it any more')
})

test('whoever joins where another node has moved the conversation brings its watchers up to date', async () => {
  const c = chat()
  const one = await heart()
  await through(one, c, 'm1')
  const watched = one.watch(c)
  const two = await heart({ node: 'n2', bus: memoryBus() })
  await through(two, c, 'm2')
  const stood = one.engine.host.position(tenant, c) as number
  let joined: Joined | undefined
  await within(
    10_000,
    join({ db: db(), bus: one.bus, stage: ownStage(one.engine) }, tenant, c, { seq: stood }, (answer) => (joined = answer)),
  )
  assert.is(joined?.seq, two.engine.host.position(tenant, c))
  assert.is(one.engine.host.position(tenant, c), joined?.seq)
  const numbers = watched.frames.flatMap(({ payload }) => (payload as { seq?: number }).seq ?? [])
  assert.equal(
    numbers,
    Array.from({ length: (joined?.seq ?? 0) - stood }, (_, at) => stood + at + 1),
  )
})

test('nobody comes in while this node is behind what they would be shown', async () => {
  const c = chat()
  const one = await heart()
  await through(one, c, 'm1')
  let reads = 0
  const behind = { ...one.engine, host: { ...one.engine.host, position: () => 1, refresh: async () => void reads++ } }
  let entered = 0
  const refused = await within(
    10_000,
    join({ db: db(), bus: one.bus, stage: ownStage(behind) }, tenant, c, undefined, () => entered++).catch(
      (error: { code?: string }) => error.code,
    ),
  )
  assert.equal([refused, reads, entered], ['store.unavailable', 1, 0])
})

test.run()
