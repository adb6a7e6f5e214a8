import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { migrate } from '../../sql/migrate.ts'
import { stores, type Opened, type Variant } from '../support/postgres.ts'
import { within } from '../support/within.ts'

/** Two databases of one server run this at once in the tests below. */
const ROLE = `
  do $$ begin
    create role nexus_app nologin;
  exception when duplicate_object or unique_violation then null;
  end $$;
`

function migrating(variant: Variant): void {
  const test = suite(`migrating (${variant.name})`)
  let store: Opened
  let dir: string

  test.before.each(async () => {
    store = await within(30_000, variant.open())
    dir = await mkdtemp(join(tmpdir(), 'nexus-migrations-'))
  })
  test.after.each(async () => {
    await store.close()
    await rm(dir, { recursive: true })
  })

  const write = (name: string, body: string) => writeFile(join(dir, name), body)
  const apply = () => within(20_000, migrate(store.db, { dir }))
  const refusal = () =>
    apply().then(
      () => 'applied',
      (why: Error) => why.message,
    )

  test('applies what is missing, in the order of the numbers, and only once', async () => {
    await write('010_second.sql', 'insert into notes values (2); insert into notes values (3);')
    await write('9_first.sql', '-- A semicolon; in a comment.\ncreate table notes (id int);\ninsert into notes values (1);')
    await write('readme.md', 'not a migration')
    assert.equal(await apply(), ['9_first.sql', '010_second.sql'])
    assert.equal(await apply(), [])
    await write('011_third.sql', 'insert into notes values (4);')
    assert.equal(await apply(), ['011_third.sql'])
    assert.equal(
      (await store.db.sql`select id from notes order by id`).map((row) => row.id),
      [1, 2, 3, 4],
    )
  })

  test('keeps nothing of a file that fails, names it, and keeps those before it', async () => {
    await write('001_good.sql', 'create table good (id int);')
    await write('002_bad.sql', 'create table half (id int); select 1 / 0;')
    assert.match(await refusal(), /the migration 002_bad\.sql failed: division by zero/)
    const [found] = await store.db.sql`select to_regclass('good') is not null as good, to_regclass('half') is not null as half`
    assert.equal({ ...found }, { good: true, half: false })
    await write('002_bad.sql', 'create table half (id int);')
    assert.equal(await apply(), ['002_bad.sql'])
  })

  test('refuses a file that was changed after it had been applied, but not its line ends', async () => {
    await write('001_notes.sql', 'create table notes\n(id int);')
    await apply()
    await write('001_notes.sql', 'create table notes\r\n(id int);')
    assert.is(await refusal(), 'applied')
    await write('001_notes.sql', 'create table notes (id bigint);')
    assert.match(await refusal(), /001_notes\.sql was changed after it had been applied/)
  })

  test('refuses a database that is newer than the program', async () => {
    await write('001_notes.sql', 'create table notes (id int);')
    await write('002_later.sql', 'create table later (id int);')
    await apply()
    await rm(join(dir, '002_later.sql'))
    assert.match(await refusal(), /002_later\.sql, which this version does not know/)
  })

  test('refuses a file that comes before one that is applied, and two with the same number', async () => {
    await write('002_second.sql', 'create table second (id int);')
    await apply()
    await write('001_first.sql', 'create table first (id int);')
    assert.match(await refusal(), /001_first\.sql comes before/)
    await rm(join(dir, '001_first.sql'))
    await write('2_also.sql', 'select 1;')
    assert.match(await refusal(), /have the same number/)
  })

  test('applies everything once when eight nodes start at the same time', async () => {
    for (let n = 1; n <= 5; n++) await write(`00${n}_part.sql`, `create table part_${n} as select ${n} as n;`)
    const all = await within(30_000, Promise.all(Array.from({ length: 8 }, apply)))
    assert.equal(
      all.flat().sort(),
      [1, 2, 3, 4, 5].map((n) => `00${n}_part.sql`),
    )
  })

  test('lets databases of one server make the same role at the same time', async () => {
    await write('001_role.sql', `${ROLE} create table mine (id int); grant select on mine to nexus_app;`)
    const others = await Promise.all(Array.from({ length: variant.name === 'postgres' ? 3 : 0 }, () => variant.open({ max: 2 })))
    try {
      const all = await within(20_000, Promise.all([store, ...others].map(({ db }) => migrate(db, { dir }))))
      assert.ok(all.every((names) => names.length === 1))
    } finally {
      await Promise.all(others.map((other) => other.close()))
    }
  })

  test.run()
}

for (const variant of stores()) migrating(variant)
