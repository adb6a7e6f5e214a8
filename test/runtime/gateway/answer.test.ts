/** Following one message to its answer, whenever the answer comes. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { memoryBus } from '../../../runtime/cluster/bus.memory.ts'
import { roomOf } from '../../../runtime/cluster/bus.ts'
import { followMessage } from '../../../runtime/gateway/answer.ts'
import type { Database } from '../../../sql/database.ts'

const stage = { joined: async () => {}, stands: async () => {} }

test('an answer that ends while the past is being read is not missed', async () => {
  const bus = memoryBus()
  const room = roomOf('t', 'c')
  const tell = (name: string, payload: object) => bus.publish({ room, name, payload })
  /** Answers with what stood when it was asked; the rest is told before the answer arrives. */
  const sql = async () => {
    const past = [{ seq: 2, name: 'turn.started', payload: { turn: 't1', messages: ['m'] } }]
    await Promise.resolve()
    tell('reply.finished', { turn: 't1', seq: 3, message: { text: 'because' } })
    tell('turn.finished', { turn: 't1', seq: 4 })
    return past
  }
  const following = await followMessage({ db: { sql } as unknown as Database, bus, stage }, 't', 'c', 'm')
  assert.is((await following.answer(1_000, { duplicate: true })).message.text, 'because')
})

test('an answer that is told before anybody waits for it is not missed', async () => {
  const bus = memoryBus()
  const tell = (name: string, payload: object) => bus.publish({ room: roomOf('t', 'c'), name, payload })
  const following = await followMessage({ db: {} as Database, bus, stage }, 't', 'c', 'm')
  tell('turn.started', { turn: 't1', messages: ['m'] })
  tell('reply.finished', { turn: 't1', message: { text: 'because' } })
  tell('turn.finished', { turn: 't1' })
  assert.is((await following.answer(1_000, {})).message.text, 'because')
})

test.run()
