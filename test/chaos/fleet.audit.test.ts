import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { demo } from '../../sql/tenants.ts'
import type { Opened } from '../support/postgres.ts'
import { freshStore } from '../support/store.ts'
import { installAudit, readAudit } from './fleet.audit.ts'

let store: Opened
const sins = () => readAudit(store.db.sql)

test.before(async () => {
  store = await freshStore()
  const { sql } = store.db
  await installAudit(sql)
  await sql`update shards set node = 'n1', life = 'life 1', epoch = 5 where shard = 7`
  await sql`
    insert into actors (tenant_id, id, kind, shard, version, epoch, machine_version, tree)
    values (${demo.id}, 'c1', 'conversation', 7, 1, 5, 1, '{}')
  `
})
test.after(() => store.close())

const step = (version: number, node: string) => store.db.sql`
  insert into journal (tenant_id, actor, version, envelope, machine_version, now, node) values (${demo.id}, 'c1', ${version}, '{}', 1, 0, ${node})
`

test('a step of the owner and a shard that is counted up are as they should be', async () => {
  await step(1, 'n1')
  await store.db.sql`update shards set node = 'n2', life = 'life 2', epoch = 6 where shard = 7`
  await store.db.sql`update actors set epoch = 6`
  await step(2, 'n2')
  await store.db.sql`update shards set life = null where shard = 7`
  assert.equal(await sins(), [])
})

test('a step of somebody else is seen, and so is one under an epoch that is over', async () => {
  await step(3, 'n1')
  await store.db.sql`update actors set epoch = 5`
  await step(4, 'n2')
  assert.equal(await sins(), ['c1 was moved to version 3 by n1 and belongs to n2', 'c1 was moved to version 4 under epoch 5 of 6'])
})

test('a shard that changes hands without being counted up is seen', async () => {
  await store.db.sql`update shards set node = 'n3', life = 'life 3' where shard = 7`
  assert.equal((await sins()).slice(2), ['shard 7 went from n2 at 6 to n3 at 6'])
})

test.run()
