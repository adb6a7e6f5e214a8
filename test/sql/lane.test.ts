import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { openLane } from '../../sql/lane.ts'
import { welcome } from '../../sql/wire.messages.ts'
import { handServer } from '../support/hand.server.ts'
import { leftOut } from '../support/left-out.ts'
import { until } from '../support/until.ts'

const application = 'nexus test lane'
const server = process.env.TEST_DATABASE_URL

test('a lane tells whenever its line has ended, whatever waits on it', async () => {
  const { server: hangsUp, url } = await handServer((socket, bytes) => void (bytes[0] === 0 ? socket.write(welcome) : socket.destroy()))
  const lane = openLane(url, application)
  let ends = 0
  lane.lost(() => ends++)
  for (let round = 1; round <= 3; round++) {
    await lane.sql`select 1`.catch(() => {})
    await until(() => ends === round, `end ${round}`)
  }
  await lane.close()
  hangsUp.close()
})

if (!server) leftOut('a lane that the server ends: TEST_DATABASE_URL is not set')
else
  test('a lane on which nothing is asked tells that the server has ended it, and its lock is free', async () => {
    const [lane, other] = [openLane(server, application), openLane(server, `${application} beside`)]
    const key = process.pid
    let ends = 0
    lane.lost(() => ends++)
    try {
      const [mine] = await lane.sql<[{ pid: number }]>`select pg_backend_pid() as pid, pg_advisory_lock(${key})`
      await other.sql`select pg_terminate_backend(${mine.pid})`
      await until(() => ends === 1, 'the end')
      const [seen] = await other.sql<[{ taken: boolean }]>`select pg_try_advisory_lock(${key}) as taken`
      assert.is(seen.taken, true)
      const [anew] = await lane.sql<[{ pid: number }]>`select pg_backend_pid() as pid`
      assert.is.not(anew.pid, mine.pid)
      assert.is(ends, 1)
    } finally {
      await Promise.all([lane.close(), other.close()])
    }
  })

test.run()
