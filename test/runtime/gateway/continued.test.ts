/** An answer whose line to the model breaks, where the model goes on with a beginning: the whole system and a scripted model. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { read, reading, testClient } from '../../support/client.ts'
import { providerDouble } from '../../support/provider.ts'
import { modelsAt, testServer } from '../../support/server.ts'

test('it is gone on with behind its very last word, as quick as that came', async () => {
  const double = await providerDouble()
  const server = await testServer({ ...modelsAt(double, 'chat'), CHAT_CONTINUATION: 'continue_final_message' })
  const client = await testClient(server.url)
  try {
    const { conversation } = await client.join()
    const beginning = 'The sky is blue because its air scatters the light '
    double.next({ text: beginning, fault: 'cut' })
    double.next({ text: 'of the sun.' })
    const told = await client.send(conversation, 'Please explain why the sky is blue. A short answer will do.')
    assert.ok(told.ok)
    assert.is((await client.answerTo(told.id)).text, `${beginning}of the sun.`)
    const { messages } = double.requests.at(-1)?.body as { messages: object[] }
    assert.equal(messages.at(-1), { role: 'assistant', content: beginning })
    const so = read(reading(), client.heard)
    assert.equal([so.faults, so.retracted, so.attempt], [[], 1, 2])
  } finally {
    client.close()
    await server.stop()
    await double.close()
  }
})

test.run()
