/** What every database promises, whether it runs in this process or elsewhere. */
import { randomUUID } from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Transaction } from '../../sql/database.ts'
import { asTenant } from '../../sql/tenant.ts'
import type { Opened, Variant } from '../support/postgres.ts'
import { within } from '../support/within.ts'

const times = <T>(count: number, make: (at: number) => T): T[] => Array.from({ length: count }, (_, at) => make(at))

export function keepsDatabaseContract(variant: Variant): void {
  const test = suite(`a database (${variant.name})`)
  let store: Opened
  const sql = () => store.db.sql

  test.before(async () => {
    store = await within(30_000, variant.open(), 'opening')
  })
  test.after(() => within(5_000, store.close(), 'closing'))

  test('says what it is', () => {
    assert.is(store.db.kind, variant.name)
  })

  test('gives everybody their own answer when eight connections ask at once', async () => {
    const answers = await within(
      30_000,
      Promise.all(
        times(2_000, async (at) => {
          const [row] =
            at % 3 === 0
              ? await sql()`select ${at}::int as at, ${`text ${at}`} as text`
              : await sql()`select ${at}::int as at, ${`text ${at}`}::text as text, ${at} % 3 as rest`
          return row!.at === at && row!.text === `text ${at}`
        }),
      ),
    )
    assert.ok(answers.every(Boolean))
  })

  test('answers pipelined queries in order, and one that fails does not disturb the next', async () => {
    const answers = await within(10_000, Promise.allSettled(times(60, (at) => sql()`select 12 / ${at % 4}::int as share`)))
    answers.forEach((answer, at) => {
      if (at % 4 === 0) assert.is(answer.status, 'rejected')
      else assert.is(answer.status === 'fulfilled' && answer.value[0]!.share, Math.trunc(12 / (at % 4)))
    })
  })

  test('loses none of 200 increments behind a row lock', async () => {
    await sql()`create table counters (id int primary key, value int not null)`
    await sql()`insert into counters values (1, 0)`
    await within(
      30_000,
      Promise.all(
        times(200, () =>
          sql().begin(async (tx) => {
            const [row] = await tx<{ value: number }[]>`select value from counters where id = 1 for update`
            await tx`update counters set value = ${row!.value + 1} where id = 1`
          }),
        ),
      ),
    )
    const [row] = await sql()`select value from counters`
    assert.is(row!.value, 200)
  })

  test('undoes a savepoint and keeps what was around it', async () => {
    await sql()`create table notes (body text)`
    await within(
      5_000,
      sql().begin(async (tx) => {
        await tx`insert into notes values ('before')`
        await tx
          .savepoint(async (inner) => {
            await inner`insert into notes values ('undone')`
            await inner`select 1 / 0`
          })
          .catch(() => {}) // the failure is what is being tested
        await tx`insert into notes values ('after')`
      }),
    )
    assert.equal(
      (await sql()`select body from notes`).map((row) => row.body),
      ['before', 'after'],
    )
  })

  test('rolls back when the work throws, and says why', async () => {
    await sql()`create table undone (id int)`
    const failed = await within(
      5_000,
      sql()
        .begin(async (tx) => {
          await tx`insert into undone values (1)`
          throw new Error('changed my mind')
        })
        .catch((why: Error) => why.message),
    )
    assert.is(failed, 'changed my mind')
    assert.is((await sql()`select id from undone`).length, 0)
  })

  test('lets no handle outlive its transaction', async () => {
    const leaked = await sql().begin(async (tx) => {
      await tx`select 1`
      return { tx, unsent: tx`select 'unsent' as text`, inner: await tx.savepoint(async (inner) => ({ inner })) }
    })
    const asks = [
      () => leaked.tx`select 1`,
      () => leaked.tx.unsafe('select 1'),
      () => leaked.unsent,
      () => leaked.inner.inner`select 1`,
      () => leaked.tx.savepoint((inner) => inner`select 1`),
    ]
    for (const ask of asks) {
      const why = await within(
        5_000,
        (async () => ask())().then(
          () => 'answered',
          (fault: Error) => fault.message,
        ),
      )
      assert.match(why, /is over/)
    }
  })

  test('undoes the transaction of a connection that is cut, at whatever moment, and connects anew', async () => {
    await sql()`create table cut (id int)`
    const { sql: fragile, cut } = store.fragile()
    const moments = {
      'between two queries': async (tx: Transaction) => {
        await cut()
        await tx`insert into cut values (2)`
      },
      'with queries on their way': async (tx: Transaction) => {
        const asked = Promise.allSettled(times(20, (at) => tx`insert into cut values (${at})`))
        await cut()
        await asked
        await tx`insert into cut values (3)`
      },
      'while it thinks about something else': async (tx: Transaction) => {
        await cut()
        await sql()`select 1`
        await sql()`select 1`
        await tx`insert into cut values (4)`.catch(() => {}) // the begin must fail all the same
      },
    }
    for (const [moment, work] of Object.entries(moments)) {
      for (let round = 0; round < 5; round++) {
        const end = await within(
          10_000,
          fragile
            .begin(async (tx) => {
              await tx`insert into cut values (1)`
              await work(tx)
            })
            .then(
              () => 'kept',
              () => 'lost',
            ),
          moment,
        )
        assert.is(end, 'lost', moment)
        assert.is((await within(5_000, fragile`select ${round}::int as round`, `the connection cut ${moment}`))[0]!.round, round)
        assert.is((await within(5_000, sql()`select id from cut`, 'the others')).length, 0, moment)
      }
    }
    await fragile.end({ timeout: 1 })
  })

  test('tells listeners what was notified, after the commit and not before', async () => {
    const heard: string[] = []
    let wake: (said: string) => void = () => {}
    const { unlisten } = await within(
      5_000,
      sql().listen('news', (said) => {
        heard.push(said)
        wake(said)
      }),
    )
    await sql()
      .begin((tx) =>
        tx`select pg_notify('news', 'never')`.then(() => {
          throw new Error('undone')
        }),
      )
      .catch(() => {}) // undone on purpose
    const last = new Promise<string>((resolve) => {
      wake = (said) => said === 'third' && resolve(said)
    })
    await sql().begin(async (tx) => {
      await tx.notify('news', 'first')
      assert.equal(heard, [])
      await tx.notify('news', 'second')
    })
    await sql().notify('news', 'third')
    await within(5_000, last, 'the notification')
    assert.equal(heard, ['first', 'second', 'third'])
    await unlisten()
  })

  test('carries parameters and answers of 5 MB', async () => {
    const large = 'ü'.repeat(2_500_000)
    const [row] = await within(20_000, sql()`select ${large}::text as text, octet_length(${large}::text) as bytes`)
    assert.is(row!.bytes, 5_000_000)
    assert.ok(row!.text === large)
  })

  test('takes arrays for parameters', async () => {
    const ids = times(3, () => randomUUID())
    const [any] = await sql()`select ${ids[1]!}::uuid = any(${ids}::uuid[]) as found, ${'z'} = any(${['x', 'y']}::text[]) as missing`
    assert.equal({ ...any }, { found: true, missing: false })
    const rows = await sql()`
      select * from unnest(${ids}::uuid[], ${['a', 'b,"c"', '']}::text[], ${[1, 2, 3]}::bigint[], ${sql().array([true, false, true])}::bool[]) as t (id, name, size, good)
    `
    assert.equal(
      rows.map((row) => ({ ...row })),
      [
        { id: ids[0], name: 'a', size: 1, good: true },
        { id: ids[1], name: 'b,"c"', size: 2, good: false },
        { id: ids[2], name: '', size: 3, good: true },
      ],
    )
    const at = new Date('2026-11-20T10:00:00Z')
    const [more] = await sql()`
      select ${sql().array([at])}::timestamptz[] as dates, array['{"a":[1]}', null]::jsonb[] as documents,
        array[array[1, 2], array[3, 4]] as nested, ${['back\\slash', 'NULL', '{', 'new\nline']}::text[] as texts, array[null, 'x'] as holes
    `
    assert.equal(
      { ...more },
      {
        dates: [at],
        documents: [{ a: [1] }, null],
        nested: [
          [1, 2],
          [3, 4],
        ],
        texts: ['back\\slash', 'NULL', '{', 'new\nline'],
        holes: [null, 'x'],
      },
    )
    const [empty] = await sql()`select ${[] as string[]}::text[] as none, array[1, 2]::bigint[] as some`
    assert.equal({ ...empty }, { none: [], some: [1, 2] })
  })

  test('takes an array for an untyped parameter of a known column', async () => {
    await sql()`create table tagged (id bigint primary key, tags text[] not null, twins uuid[] not null default '{}')`
    const twins = [randomUUID(), randomUUID()]
    await sql()`insert into tagged (id, tags, twins) values (${1}, ${['x', 'y z']}, ${twins})`
    const [row] = await sql()`select id, tags, twins from tagged where id = any(${[1, 2]})`
    assert.equal({ ...row }, { id: 1, tags: ['x', 'y z'], twins })
  })

  test('gives json back as it was', async () => {
    const value = { text: 'a "quoted" line\nand ünïcode 🎈', list: [1, 2.5, null, true], nested: { empty: {} } }
    await sql()`create table documents (body jsonb not null)`
    await sql()`insert into documents values (${sql().json(value)})`
    const [row] = await sql()`select body from documents`
    assert.equal(row!.body, value)
  })

  test('gives bigints as numbers, and refuses one that a number cannot hold', async () => {
    const [row] = await sql()`select count(*) as count, 9007199254740991::bigint as large from generate_series(1, 3)`
    assert.equal({ ...row }, { count: 3, large: Number.MAX_SAFE_INTEGER })
    const refused = await within(
      5_000,
      sql()`select 9007199254740993::bigint as larger`.then(
        () => 'kept',
        (why: Error) => why.message,
      ),
    )
    assert.match(refused, /does not fit/)
    assert.is((await within(5_000, sql()`select 1::bigint as one`))[0]!.one, 1)
  })

  test('leaks nothing between 200 transactions of ten tenants at once', async () => {
    await sql()
      .unsafe(`
      do $$ begin create role nexus_app nologin; exception when duplicate_object or unique_violation then null; end $$;
      create table secrets (tenant_id uuid not null, word text not null);
      alter table secrets enable row level security;
      alter table secrets force row level security;
      create policy secrets_tenant on secrets using (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid);
      grant select, insert on secrets to nexus_app;
    `)
      .simple()
    const tenants = times(10, () => randomUUID())
    await within(
      30_000,
      Promise.all(
        times(200, async (at) => {
          const tenant = tenants[at % 10]!
          await asTenant(store.db, tenant, async (tx) => {
            await tx`insert into secrets values (${tenant}, ${`word ${at}`})`
            const seen = await tx<{ tenant_id: string }[]>`select tenant_id from secrets`
            assert.ok(seen.length > 0 && seen.every((row) => row.tenant_id === tenant))
          })
        }),
      ),
    )
    const counts = await Promise.all(tenants.map((tenant) => asTenant(store.db, tenant, (tx) => tx`select word from secrets`)))
    assert.equal(
      counts.map((rows) => rows.length),
      times(10, () => 20),
    )
    const [outside] =
      await sql()`select current_user <> 'nexus_app' as left_role, coalesce(current_setting('app.tenant', true), '') as tenant`
    assert.equal({ ...outside }, { left_role: true, tenant: '' })
  })

  test('finds the nearest vectors', async () => {
    await sql()`create table places (id int, at vector(3))`
    await sql()`insert into places select n, array[n, 0, 0]::vector from generate_series(1, 20) as n`
    await sql()`create index on places using hnsw (at vector_l2_ops)`
    const rows = await sql()`select id from places order by at <-> ${'[7.2,0,0]'} limit 2`
    assert.equal(
      rows.map((row) => row.id),
      [7, 8],
    )
  })

  test('can be tidied while others ask', async () => {
    const [, answers] = await within(20_000, Promise.all([store.db.tidy(), Promise.all(times(50, (at) => sql()`select ${at}::int as at`))]))
    assert.is(answers.length, 50)
  })

  test.run()
}
