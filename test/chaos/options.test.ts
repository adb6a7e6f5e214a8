import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Unusable, readOptions } from './options.ts'

const refused = (argv: string[], why: RegExp) =>
  assert.throws(
    () => readOptions(argv, {}),
    (error: Error) => error instanceof Unusable && why.test(error.message),
  )

test('without arguments every scenario of one node runs on both stores, and then every one of three nodes', () => {
  const { stores, scenarios, fleet, nodes, kills } = readOptions([], {})
  assert.equal(stores, ['pglite', 'postgres'])
  assert.ok(scenarios.length >= 6 && fleet.length > 20 && kills > 0)
  assert.is(nodes, 3)
  assert.equal(readOptions(['--nodes', '1'], {}).fleet, [])
  assert.equal(readOptions(['--store', 'pglite'], {}).fleet, [])
  const owner = readOptions(['--scenario', 'owner'], {})
  assert.equal([owner.scenarios.length, owner.fleet.map(({ name }) => name)], [0, ['owner']])
})

test('what makes no sense is refused with a sentence that names it', () => {
  refused(['--kills', 'many'], /--kills must be a whole number from 1 to .*"many"/)
  refused(['--kills', ''], /--kills/)
  refused(['--kills', '0'], /--kills/)
  refused(['--patience', '0'], /--patience must be a whole number from 1 to 600/)
  refused(['--seed', '1.5'], /--seed/)
  refused(['--nodes', '1', '--scenario', 'owner'], /--scenario must be one of kill, .*"owner"/)
  refused(['--store', 'mysql'], /pglite or postgres, not "mysql"/)
  refused(['--scenario', 'kill,earthquake'], /--scenario must be one of kill, .*earthquake/)
  refused(['--database', 'localhost'], /postgres:\/\//)
  refused(['--murders', '3'], /--murders[\s\S]*scenarios of one node/)
})

test('several nodes have scenarios of their own', () => {
  const { fleet, scenarios, redis } = readOptions(['--nodes', '3'], {})
  assert.equal(scenarios, [])
  assert.ok(fleet.length > 20 && redis)
  assert.equal(new Set(fleet.map(({ name }) => name)).size, fleet.length)
  assert.equal(
    readOptions(['--nodes', '3', '--scenario', 'owner,deploy', '--no-redis'], {}).fleet.map(({ name }) => name),
    ['owner', 'deploy'],
  )
  refused(['--nodes', '3', '--scenario', 'kill'], /--scenario must be one of owner, .*not "kill"/)
  refused(['--nodes', '3', '--store', 'pglite'], /room for one process/)
  refused(['--nodes', '10'], /--nodes must be a whole number from 1 to 9/)
})

test('a server is taken from the environment where none is named', () => {
  const url = 'postgres://a@b/c'
  assert.is(readOptions([], { TEST_DATABASE_URL: url }).database, url)
  assert.is(readOptions([], { TEST_DATABASE_URL: '' }).database, undefined)
})

test.run()
