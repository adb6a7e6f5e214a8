import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { thoughtsApart } from '../../../actors/models/inlined.ts'
import { chatModel } from '../../../actors/models/model.chat.ts'
import { providerDouble } from '../../support/provider.ts'
import { cutBy, only, tell, textOf } from './samples.ts'

function apart(pieces: string[]) {
  const inlined = thoughtsApart()
  const events = [...pieces.flatMap((piece) => inlined.read(piece)), ...inlined.rest()]
  return {
    text: textOf(events),
    thought: only(events, 'think')
      .map((event) => event.d)
      .join(''),
  }
}

test('thoughts that a local model writes into its text are told apart, wherever the pieces are cut', () => {
  for (const n of [1, 2, 3, 5, 7, 8, 11, 100]) {
    assert.equal(apart(cutBy('\n<think>\nIs 1 < 2? </thin </think>\n\nYes <think> it is.', n)), {
      text: 'Yes <think> it is.',
      thought: '\nIs 1 < 2? </thin ',
    })
  }
})

test('a text without thoughts passes untouched, also one that looks nearly like them', () => {
  for (const text of ['Hello.', '<thing> is a tag', '<th', ' ', 'I <think>so</think>']) {
    for (const n of [1, 4, 100]) assert.equal(apart(cutBy(text, n)), { text, thought: '' })
  }
})

test('a thought that never ends is no answer', () => {
  assert.equal(apart(['<think>', 'round and round']), { text: '', thought: 'round and round' })
})

test('servers that send no index, or the same for two calls, are understood', async () => {
  const double = await providerDouble()
  const model = chatModel({ baseUrl: double.url('chat') })
  const chunk = (delta: object, finish_reason: string | null = null) =>
    `data: ${JSON.stringify({ choices: [{ index: 0, delta, finish_reason }] })}\n\n`
  const calls = (...tool_calls: object[]) => chunk({ tool_calls })
  const end = `${chunk({}, 'stop')}data: [DONE]\n\n`
  try {
    double.next({
      recorded:
        calls({ id: 'a', function: { name: 'x', arguments: '{"n":1}' } }, { id: 'b', function: { name: 'y', arguments: '{"n":2}' } }) + end,
    })
    double.next({
      recorded:
        calls({ index: 0, id: 'a', function: { name: 'x', arguments: '{"n"' } }) +
        calls({ index: 0, function: { arguments: ':1}' } }) +
        calls({ index: 0, id: 'b', function: { name: 'y', arguments: '' } }) +
        calls({ index: 0, function: { arguments: '{"n":2}' } }) +
        end,
    })
    for (let i = 0; i < 2; i++) {
      const events = await tell(model)
      assert.equal(
        only(events, 'toolReady').map(({ id, name, args }) => [id, name, args]),
        [
          ['a', 'x', { n: 1 }],
          ['b', 'y', { n: 2 }],
        ],
      )
      assert.is(only(events, 'end')[0]?.reason, 'tool')
    }
  } finally {
    await double.close()
  }
})

test.run()
