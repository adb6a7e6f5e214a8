import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { connect, embedded, MEMORY } from '../../sql/database.pglite.ts'
import { startBackend } from '../../sql/wire.backend.ts'
import { afterLeftovers, message, strings } from '../../sql/wire.messages.ts'
import { Exchange } from '../../sql/wire.ts'
import { within } from '../support/within.ts'

const failure = (work: PromiseLike<unknown>) =>
  within(
    5_000,
    work.then(
      () => 'answered',
      (why: Error) => why.message,
    ),
  )

test('when the thread dies, the query it was asked and all later ones fail with the reason', async () => {
  const program = new URL(
    `data:text/javascript,${encodeURIComponent(`
    import { parentPort } from 'node:worker_threads'
    parentPort.on('message', () => { throw new Error('out of memory') })
    parentPort.postMessage({ id: 0 })
  `)}`,
  )
  const backend = await startBackend({ folder: undefined, fresh: true, archive: undefined }, () => {}, program)
  const exchange = new Exchange(backend, { idle: 1_000, busy: 1_000 })
  void backend.lost.then((why) => exchange.fail(why))
  const sql = connect(() => exchange.connect(), 2)
  assert.match(await failure(sql`select 1`), /the embedded database has died: out of memory/)
  assert.match(await failure(sql`select 2`), /the embedded database has died: out of memory/)
  assert.match((await within(1_000, backend.lost)).message, /out of memory/)
  await within(2_000, sql.end({ timeout: 1 }))
  await within(2_000, backend.close())
})

test('a thread that cannot start says why', async () => {
  const program = new URL(`data:text/javascript,${encodeURIComponent(`throw new Error('no such disk')`)}`)
  assert.match(await failure(startBackend({ folder: undefined, fresh: true, archive: undefined }, () => {}, program)), /no such disk/)
})

test('the statements of a line that has gone are forgotten', async () => {
  const db = await embedded({ dataDir: MEMORY })
  const sql = connect(() => db.exchange.connect(), 1)
  await sql`select ${1}::int as one`
  await sql`select ${'two'}::text as two`
  await sql.end()
  const [left] = await within(5_000, db.sql`select count(*) as count from pg_prepared_statements where statement like 'select $1::%'`)
  assert.is(left!.count, 0)
  await db.close()
})

test('what an earlier connection left unsent is skipped before a start-up', () => {
  const startup = Buffer.concat([Buffer.from([0, 0, 0, 20, 0, 3, 0, 0]), strings('user', 'me')])
  assert.equal(afterLeftovers(startup), startup)
  assert.equal(afterLeftovers(Buffer.concat([message('Q', strings('rollback')), message('S'), startup])), startup)
})

test.run()
