import { existsSync } from 'node:fs'
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { embedded, MEMORY } from '../../sql/database.pglite.ts'
import { openDatabase } from '../../sql/database.ts'
import { child } from '../support/child.ts'
import { within } from '../support/within.ts'

let dataDir: string
test.before.each(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'nexus-data-'))
})
test.after.each(() => rm(dataDir, { recursive: true, force: true }))

test('what was stored is there after reopening', async () => {
  const first = await within(20_000, openDatabase({ dataDir }))
  await first.sql`create table kept (id int)`
  await first.sql`insert into kept values (42)`
  await within(10_000, first.close(), 'closing')
  const again = await within(20_000, openDatabase({ dataDir }), 'reopening')
  assert.is((await again.sql`select id from kept`)[0]!.id, 42)
  await again.close()
  assert.not.ok(existsSync(join(dataDir, 'lock')))
})

test('no acknowledged row is lost when the process is killed while it writes', async () => {
  let least = 0
  for (let round = 1; round <= 3; round++) {
    const writer = child(`
      import { openDatabase } from './sql/database.ts'
      const { sql } = await openDatabase({ dataDir: ${JSON.stringify(dataDir)} })
      await sql\`create table if not exists acknowledged (id bigserial primary key, filler text)\`
      const write = async () => {
        for (;;) {
          const [row] = await sql.begin(tx => tx\`insert into acknowledged (filler) values (repeat('x', 500)) returning id\`)
          console.log(row.id)
        }
      }
      await Promise.all([write(), write(), write()])
    `)
    const acknowledged: number[] = []
    for (let count = 0; count < 150 * round; count++) {
      const line = await within(20_000, writer.line(), 'the next row')
      assert.ok(line, line ?? (await writer.ended))
      acknowledged.push(Number(line))
    }
    await writer.kill()
    for (let line = await writer.line(); line; line = await writer.line()) acknowledged.push(Number(line))
    const db = await within(10_000, openDatabase({ dataDir }), 'reopening after a kill')
    const [missing] =
      await db.sql`select count(*) as count from unnest(${acknowledged}::bigint[]) as t (id) where id not in (select id from acknowledged)`
    const [all] = await db.sql`select count(*) as count from acknowledged`
    await db.close()
    assert.is(missing!.count, 0)
    least += acknowledged.length
    assert.ok(all!.count >= least)
  }
})

test('two processes never have the same folder open', async () => {
  const other = child(`
    import { openDatabase } from './sql/database.ts'
    await openDatabase({ dataDir: ${JSON.stringify(dataDir)} })
    console.log('open')
  `)
  await within(30_000, other.line(), 'the other process')
  const why = await openDatabase({ dataDir }).then(
    () => 'opened',
    (fault: Error) => fault.message,
  )
  assert.match(why, new RegExp(`in use by process ${other.pid}`))
  await other.kill()
})

test('a first creation that was cut short is begun anew', async () => {
  await mkdir(join(dataDir, 'postgres'))
  await writeFile(join(dataDir, 'postgres', 'PG_VERSION'), '18\n')
  await writeFile(join(dataDir, 'creating'), '')
  const db = await within(20_000, openDatabase({ dataDir }))
  assert.is((await db.sql`select 1 as one`)[0]!.one, 1)
  await db.close()
})

test('a folder that holds no usable database is reported, unlocked and left as it is', async () => {
  await mkdir(join(dataDir, 'postgres'))
  await writeFile(join(dataDir, 'postgres', 'PG_VERSION'), '18\n')
  for (let twice = 0; twice < 2; twice++) {
    const why = await within(
      20_000,
      openDatabase({ dataDir }).then(
        () => 'opened',
        (fault: Error) => fault.message,
      ),
    )
    assert.match(why, /cannot be started/)
  }
  assert.ok(existsSync(join(dataDir, 'postgres', 'PG_VERSION')))
})

test('the event loop goes on while a query takes half a second', async () => {
  const db = await within(20_000, openDatabase({ dataDir: MEMORY }))
  const gaps: number[] = []
  // The smallest of a few, since the machine may be busy with something else.
  for (let round = 0; round < 4 && !gaps.some((gap) => gap < 50); round++) {
    const delay = monitorEventLoopDelay({ resolution: 2 })
    delay.enable()
    const began = performance.now()
    await within(20_000, db.sql`select count(*) from generate_series(1, 3_000_000) as n where n % 7 = 3`)
    assert.ok(performance.now() - began > 100, 'the query is long enough to show something')
    delay.disable()
    gaps.push(delay.max / 1e6)
  }
  await db.close()
  assert.ok(Math.min(...gaps) < 50, `the shortest of the longest gaps was ${Math.min(...gaps)} ms`)
})

test('asking outside of the handle inside a transaction ends with a sentence, and all goes on', async () => {
  const db = await embedded({ dataDir: MEMORY, patience: { idle: 100, busy: 5_000 } })
  const why = await within(
    5_000,
    db.sql
      .begin(() => db.sql`select ${1}::int as outside`)
      .then(
        () => 'answered',
        (fault: Error) => fault.message,
      ),
  )
  assert.match(why, /inside sql\.begin use only the handle that it gives/)
  assert.is((await within(5_000, db.sql`select 2 as two`))[0]!.two, 2)
  await db.close()
})

test('a query behind one that takes too long gives up, and the long one gets its answer', async () => {
  const db = await embedded({ dataDir: MEMORY, patience: { idle: 20, busy: 50 } })
  await db.sql`select 1`
  const long = db.sql`select count(*) from generate_series(1, 3_000_000) as n where n % 7 = 3`.execute()
  const behind = await within(10_000, Promise.allSettled([1, 2, 3].map((n) => db.sql`select ${n}::int`)))
  assert.ok(behind.some((one) => one.status === 'rejected' && /has been busy/.test(one.reason.message)))
  assert.is((await within(10_000, long)).length, 1)
  await db.close()
})

test('a process ends by itself when it has closed its database', async () => {
  const other = child(`
    import { openDatabase } from './sql/database.ts'
    const db = await openDatabase({ dataDir: ${JSON.stringify(dataDir)} })
    await db.sql.listen('something', () => {})
    await db.sql\`select 1\`
    await db.close()
    await db.close()
    console.log('closed')
  `)
  assert.is(await within(30_000, other.line(), 'closing'), 'closed')
  assert.is(await within(1_500, other.ended, 'the end of the process'), '0\n')
})

test('closing takes less than two seconds although a transaction is open', async () => {
  const db = await openDatabase({ dataDir })
  await db.sql`create table open (id int)`
  let inside: () => void = () => {}
  const entered = new Promise<void>((resolve) => {
    inside = resolve
  })
  const lost = db.sql
    .begin(async (tx) => {
      await tx`insert into open values (1)`
      inside()
      await new Promise(() => {}) // for ever
    })
    .then(
      () => 'kept',
      () => 'lost',
    )
  await entered
  await within(2_000, db.close(), 'closing')
  assert.is(await within(1_000, lost), 'lost')
  const again = await openDatabase({ dataDir })
  assert.is((await again.sql`select id from open`).length, 0)
  await again.close()
})

test('a copy of the folder of a closed database is a database', async () => {
  const db = await openDatabase({ dataDir })
  await db.sql`create table copied as select 7 as n`
  await db.close()
  const copy = await mkdtemp(join(tmpdir(), 'nexus-copy-'))
  await cp(dataDir, copy, { recursive: true })
  const other = await openDatabase({ dataDir: copy })
  assert.is((await other.sql`select n from copied`)[0]!.n, 7)
  await other.close()
  await rm(copy, { recursive: true })
})

test.run()
