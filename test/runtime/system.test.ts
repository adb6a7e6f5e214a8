/** The whole system, where its parts do not come together. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { testServer } from '../support/server.ts'
import { until } from '../support/until.ts'
import { within } from '../support/within.ts'

test('a start that fails at its last step says so in one sentence and lets everything go', async () => {
  const other = createServer()
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
  const { port } = other.address() as AddressInfo
  const before = process.getActiveResourcesInfo().length
  const failed = await within(
    30_000,
    testServer({ PORT: String(port) }).then(
      () => 'it started',
      (error: Error) => error.message,
    ),
  )
  assert.is(failed, `Port ${port} is taken; set another PORT.`)
  await until(() => process.getActiveResourcesInfo().length <= before, 'the last timer and socket')
  other.close()
})

test.run()
