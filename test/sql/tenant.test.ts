import { randomUUID } from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Transaction } from '../../sql/database.ts'
import { asTenant, readAsTenant } from '../../sql/tenant.ts'
import { stores, type Opened, type Variant } from '../support/postgres.ts'
import { within } from '../support/within.ts'

function tenants(variant: Variant): void {
  const test = suite(`a tenant's door (${variant.name})`)
  const [ours, theirs] = [randomUUID(), randomUUID()]
  let store: Opened

  test.before(async () => {
    store = await within(30_000, variant.open())
    await store.db.sql
      .unsafe(`
      do $$ begin create role nexus_app nologin; exception when duplicate_object or unique_violation then null; end $$;
      create table words (tenant_id uuid not null, word text not null);
      alter table words enable row level security;
      alter table words force row level security;
      create policy words_tenant on words using (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid);
      grant select, insert on words to nexus_app;
      create table hidden (id int);
    `)
      .simple()
    await keep(ours, 'ours')
    await keep(theirs, 'theirs')
  })
  test.after(() => store.close())

  const keep = (tenant: string, word: string) => asTenant(store.db, tenant, (sql) => sql`insert into words values (${tenant}, ${word})`)
  const words = (tenant: string) => asTenant(store.db, tenant, (sql) => sql<{ word: string }[]>`select word from words`)
  const failure = (work: Promise<unknown>) =>
    within(
      5_000,
      work.then(
        () => 'done',
        (why: Error) => why.message,
      ),
    )

  test('a tenant sees its own rows and no others', async () => {
    assert.equal(
      (await words(ours)).map((row) => row.word),
      ['ours'],
    )
    assert.equal(
      (await words(theirs)).map((row) => row.word),
      ['theirs'],
    )
    assert.is((await words(randomUUID())).length, 0)
  })

  test('a tenant cannot write a row of another', async () => {
    assert.match(
      await failure(asTenant(store.db, ours, (sql) => sql`insert into words values (${theirs}, 'forged')`)),
      /row-level security/,
    )
    assert.is((await words(theirs)).length, 1)
  })

  test('a tenant reaches no table that was not opened to it', async () => {
    assert.match(await failure(asTenant(store.db, ours, (sql) => sql`select id from hidden`)), /permission denied/)
  })

  test('reading with a single query sees the same', async () => {
    const rows = await readAsTenant(store.db, ours, (sql) => sql<{ word: string }[]>`select word from words where word <> ${'x'}`)
    assert.equal(
      rows.map((row) => row.word),
      ['ours'],
    )
    assert.match(await failure(readAsTenant(store.db, ours, (sql) => sql`select 1 / 0`)), /division by zero/)
  })

  test('the value of the work is the value of the door', async () => {
    assert.is(await asTenant(store.db, ours, async () => 42), 42)
    assert.equal(await asTenant(store.db, ours, async () => [1, Promise.resolve(2)].length), 2)
    assert.is(await asTenant(store.db, ours, async () => undefined), undefined)
  })

  test('work that throws leaves nothing, and what it throws comes out', async () => {
    const why = await failure(
      asTenant(store.db, ours, async (sql) => {
        await sql`insert into words values (${ours}, 'undone')`
        throw new Error('changed my mind')
      }),
    )
    assert.is(why, 'changed my mind')
    assert.is((await words(ours)).length, 1)
  })

  test('nothing of the tenant stays on the connection', async () => {
    await Promise.all(Array.from({ length: 20 }, () => words(ours)))
    const states = await Promise.all(
      Array.from(
        { length: 20 },
        () => store.db.sql`
      select current_user::text as who, coalesce(current_setting('app.tenant', true), '') as tenant
    `,
      ),
    )
    for (const [state] of states) assert.ok(state!.who !== 'nexus_app' && state!.tenant === '')
    const bare = await store.db.sql.begin(async (tx) => {
      await tx`select set_config('role', 'nexus_app', true)`
      return { rows: await tx`select word from words` }
    })
    assert.is(bare.rows.length, 0)
  })

  test('a handle kept for later is dead, and so is a query that was not sent in time', async () => {
    const kept = await asTenant(store.db, ours, async (sql) => ({ sql, unsent: sql`select word from words` }))
    assert.match(await failure((async () => kept.sql`select word from words`)()), /is over/)
    assert.match(await failure((async () => kept.unsent)()), /is over/)
  })

  test('what is not the id of a tenant does nothing at all', async () => {
    let asked = false
    const work = async (sql: Transaction) => {
      asked = true
      return sql`select word from words`
    }
    for (const wrong of ['', 'acme', `${ours}x`, "' or true --"]) {
      assert.match(await failure(asTenant(store.db, wrong, work)), /is not the id of a tenant/)
      assert.match(await failure(readAsTenant(store.db, wrong, (sql) => sql`select word from words`)), /is not the id of a tenant/)
    }
    assert.not(asked)
  })

  test('when the door stays shut, the work gets no answer', async () => {
    const other = await variant.open({ max: 1 })
    try {
      await other.db.sql.unsafe(`create table words (word text); insert into words values ('secret')`).simple()
      const heard: unknown[] = []
      // As a role that may not become nexus_app; the embedded database has only a superuser, who may become anybody.
      await other.db.sql.unsafe(
        `do $$ begin create role nexus_stranger; exception when duplicate_object or unique_violation then null; end $$`,
      )
      await other.db.sql.unsafe('grant select on words to nexus_stranger')
      await other.db.sql.unsafe('set session authorization nexus_stranger')
      const why = await failure(asTenant(other.db, ours, (sql) => sql`select word from words`.then((rows) => heard.push(...rows))))
      await other.db.sql.unsafe('reset session authorization')
      assert.match(why, /role "nexus_app"/)
      assert.equal(heard, [])
    } finally {
      await other.close()
    }
  })

  test.run()
}

for (const variant of stores()) tenants(variant)
