import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { downgrade } from '../../../runtime/host/downgrade.ts'
import { shardOf } from '../../../runtime/cluster/shards.ts'
import { readAsTenant } from '../../../sql/tenant.ts'
import { tenant } from '../../support/heart.ts'
import { stores } from '../../support/postgres.ts'
import { ward } from '../../support/ward.ts'

for (const variant of stores()) {
  const test = suite(`going one version back (${variant.name})`)
  const { db, chat, heart, finished } = ward(test, variant)

  test('the trees of a newer machine go back, and conversations go on with the program before', async () => {
    const c = chat()
    const one = await heart()
    await one.say(c, 'm1')
    await finished(c)
    await one.engine.host.idle()
    const asStored = async () =>
      (
        await readAsTenant(
          db(),
          tenant,
          (sql) => sql<{ machine_version: number; tree: { marked?: boolean } }[]>`select machine_version, tree from actors where id = ${c}`,
        )
      ).map(({ machine_version, tree }) => [machine_version, tree.marked === true])
    // As a newer program left them.
    await db().sql`update actors set machine_version = 2, tree = tree || '{"marked": true}'`
    await db().sql`update shards set machines = '{"conversation": 2}' where shard = ${shardOf(c)}`
    const back = {
      version: 2,
      reversals: { 2: (tree: unknown) => Object.fromEntries(Object.entries(tree as object).filter(([key]) => key !== 'marked')) },
    }
    const refused = async (promise: Promise<unknown>) =>
      promise.then(
        () => 'done',
        (error: Error) => error.message,
      )

    assert.match(await refused(downgrade(db(), 'conversation', { version: 2, reversals: {} })), /no way leads back/)
    await db().sql`insert into nodes (node, life, lock_key, machines, version) values ('newer', 'newer', 0, '{"conversation": 2}', '2')`
    assert.match(await refused(downgrade(db(), 'conversation', back)), /stop all of them first/)
    assert.equal(await asStored(), [[2, true]])

    await db().sql`delete from nodes where node = 'newer'`
    assert.is(await downgrade(db(), 'conversation', back), 1)
    assert.equal(await asStored(), [[1, false]])
    const [shard] = await db().sql<{ machines: object }[]>`select machines from shards where shard = ${shardOf(c)}`
    assert.equal(shard?.machines, { conversation: 1 })
    const two = await heart({ node: 'n2' })
    await two.say(c, 'm2')
    await finished(c, 2)
  })

  test.run()
}
