import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createMetrics } from '../../../runtime/watch/metrics.ts'
import { within } from '../../support/within.ts'

test('a figure that cannot be read, or not soon, keeps no other from being seen', async () => {
  const metrics = createMetrics()
  metrics.watch('here', 'there', () => 7)
  metrics.watchEach('rows', 'rows', 'table', async () => ({ inbox: 3 }))
  metrics.watchEach('hanging', 'rows', 'table', () => new Promise(() => {}))
  metrics.watchEach('failing', 'rows', 'table', () => Promise.reject(new Error('away')))
  const text = await within(5_000, metrics.registry.metrics(), 'the figures')
  assert.match(text, /^here 7$/m)
  assert.match(text, /^rows\{table="inbox"\} 3$/m)
  assert.not.match(text, /^(hanging|failing)\{/m)
})

test.run()
