/** Redis is asked for by a setting: then it must be there at start, and its loss costs no conversation. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { testClient } from '../../support/client.ts'
import { testServer } from '../../support/server.ts'

const url = process.env.TEST_REDIS_URL

test('a Redis that does not answer stops the start with a sentence', async () => {
  let said = ''
  await testServer({ REDIS_URL: 'redis://127.0.0.1:1' }).catch((error: Error) => {
    said = error.message
  })
  assert.match(said, /REDIS_URL is set and no Redis answers there/)
})

if (!url) console.log('redis.test.ts: no TEST_REDIS_URL, the tests with a server are left out')
else {
  test('with Redis at hand readiness names it and conversations work as ever', async () => {
    const server = await testServer({ REDIS_URL: url })
    try {
      const ready = (await server.ask('GET', '/ready')).json() as { components: Record<string, { status: string }> }
      assert.is(ready.components.redis?.status, 'healthy')
      const client = await testClient(server.url)
      const { conversation } = await client.join()
      const told = await client.send(conversation, 'hello')
      assert.ok(told.ok)
      assert.match((await client.answerTo(told.id)).text, /offline stand-in/)
      client.close()
    } finally {
      await server.stop()
    }
  })
}

test.run()
