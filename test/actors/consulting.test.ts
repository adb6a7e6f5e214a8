import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { consulting } from '../../actors/consulting.ts'
import { salvaging } from '../../actors/salvaging.ts'
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

test('what was said here is saved with its price', async () => {
  const fill = salvaging({ cut: async () => ({ text: 'The sky', note: { model: 'm', cost: 0.1 } }), logged: async () => 'never' })
  assert.equal(await fill({ turn: 't1', attempt: 2 }, work()), { text: 'The sky', model: 'm', cost: 0.1 })
})

test('what was said on a node that is gone is read from the log', async () => {
  const places: unknown[] = []
  const fill = salvaging({
    cut: async () => undefined,
    logged: async (place) => {
      places.push(place)
      return 'The sk'
    },
  })
  assert.equal(await fill({ turn: 't1', attempt: 2 }, work()), { text: 'The sk', recalled: true })
  assert.equal(places, [{ tenant: 'acme', actor: 'c1', turn: 't1', attempt: 2 }])
})

test('before the first attempt nothing was said', async () => {
  const never = async () => {
    throw new Error('nobody is asked')
  }
  assert.equal(await salvaging({ cut: never, logged: never })({ turn: 't1', attempt: 0 }, work()), { text: '' })
})

test.run()
