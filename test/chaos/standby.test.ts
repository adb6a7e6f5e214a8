/** A primary and its standby, on servers of our own. */
import { existsSync } from 'node:fs'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import postgres from 'postgres'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { startPair } from './standby.ts'
import { leftOut } from '../support/left-out.ts'

/** Where `postgres-with-vector` finds a server with the extension; building one would take a network. */
const ready = [
  '/usr/share/postgresql/15/extension/vector.control',
  '/var/cache/postgres-with-vector',
  join(homedir(), '.cache/postgres-with-vector'),
]
const able = existsSync('/usr/lib/postgresql/15/bin/pg_basebackup') && ready.some((path) => existsSync(path))
if (!able) leftOut('a failover of PostgreSQL: there is no PostgreSQL 15 with pgvector', 'machine')

;(able ? test : test.skip)('what was acknowledged is there when the standby has taken over, twice', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'nexus-standby-'))
  await chmod(folder, 0o755) // PostgreSQL does not run as root
  const pair = await startPair(folder)
  const asked = async <T>(query: (sql: postgres.Sql) => Promise<T>) => {
    const sql = postgres(pair.url, { max: 1, onnotice() {} })
    return query(sql).finally(() => sql.end({ timeout: 1 }))
  }
  try {
    await asked((sql) => sql`create table kept (n int)`)
    for (const n of [1, 2]) {
      await asked((sql) => sql`insert into kept values (${n})`)
      await pair.failover()
      const rows = await asked((sql) => sql<{ n: number }[]>`select n from kept order by n`)
      assert.equal(
        rows.map((row) => row.n),
        [1, 2].slice(0, n),
      )
      await pair.repair()
    }
    const [row] = await asked((sql) => sql<{ state: string }[]>`select sync_state as state from pg_stat_replication`)
    assert.is(row?.state, 'sync')
  } finally {
    await pair.stop()
    await rm(folder, { recursive: true, force: true })
  }
})

test.run()
