import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { onceATurn } from '../../actors/past.ts'
import type { Message } from '../../machines/message.ts'

function reader() {
  const asked: string[] = []
  let now = 0
  let fails = false
  const past = onceATurn(
    async (tenant, conversation, before) => {
      asked.push([tenant, conversation, ...before].join(' '))
      if (fails) throw new Error('the store is away')
      return [{ id: before[0] } as Message]
    },
    () => now,
  )
  return { past, asked, wait: (ms: number) => (now += ms), fail: (does: boolean) => (fails = does) }
}

test('a turn reads its past once, however often it asks', async () => {
  const { past, asked } = reader()
  const told = await Promise.all([past('t', 'c', ['m1']), past('t', 'c', ['m1'])])
  assert.equal(told[0], await past('t', 'c', ['m1']))
  assert.equal(asked, ['t c m1'])
})

test('another message, conversation or tenant is another past', async () => {
  const { past, asked } = reader()
  for (const [tenant, conversation, ...before] of [
    ['t', 'c', 'm1'],
    ['t', 'c', 'm2'],
    ['t', 'c', 'm1', 'm2'],
    ['t', 'd', 'm1'],
    ['u', 'c', 'm1'],
  ] as const)
    await past(tenant, conversation, [...before])
  assert.is(asked.length, 5)
})

test('a moment later it is read again, and so is what failed', async () => {
  const { past, asked, wait, fail } = reader()
  await past('t', 'c', ['m1'])
  wait(60_000)
  fail(true)
  assert.is(await past('t', 'c', ['m1']).catch((error) => error.message), 'the store is away')
  fail(false)
  assert.is((await past('t', 'c', ['m1']))[0]?.id, 'm1')
  assert.is(asked.length, 3)
})

test('what is long over is let go', async () => {
  const { past, asked } = reader()
  for (let n = 0; n < 300; n++) await past('t', 'c', [`m${n}`])
  await past('t', 'c', ['m0'])
  assert.is(asked.length, 301)
  await past('t', 'c', ['m299'])
  assert.is(asked.length, 301)
})

test.run()
