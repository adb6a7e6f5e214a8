import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { consulting } from '../../actors/consulting.ts'
import { work } from './samples.ts'

test('a call for a tool that is not there is answered, so that the model can go on', async () => {
  const results = await consulting()(
    {
      turn: 't1',
      calls: [
        { id: 'c1', name: 'weather', args: {} },
        { id: 'c2', name: 'stocks', args: null },
      ],
    },
    work(),
  )
  assert.equal(
    results.map(({ id, failed }) => [id, failed]),
    [
      ['c1', true],
      ['c2', true],
    ],
  )
  assert.match(results[0]?.text ?? '', 'no tool named weather')
})

test('no calls have no results', async () => {
  assert.equal(await consulting()({ turn: 't1', calls: [] }, work()), [])
})

test.run()
