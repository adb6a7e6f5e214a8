import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { withoutEcho } from '../../../actors/models/echo.ts'
import { thoughtsApart } from '../../../actors/models/inlined.ts'
import { cutBy, only, textOf } from './samples.ts'

const given = 'The sky is blue because'

function heard(text: string, n: number, isBeginning = true) {
  const messages = [
    { role: 'user', text: 'Why?' },
    { role: 'assistant', text: given },
  ] as const
  const stream = withoutEcho({ messages: [...messages], ...(isBeginning && { continues: true }) }, thoughtsApart())
  const events = [...cutBy(text, n).flatMap((piece) => stream.read(piece)), ...stream.rest()]
  return [textOf(events), only(events, 'think').length > 0]
}

test('a beginning that is said once more is left out, wherever the pieces are cut', () => {
  for (const n of [1, 2, 7, 23, 24, 100]) {
    assert.equal(heard(`${given} of the light.`, n), [' of the light.', false])
    assert.equal(heard(given, n), ['', false])
    assert.equal(heard(`<think>Hm.</think>${given} of the light.`, n), [' of the light.', true])
  }
})

test('whatever else is said passes, also what begins as the beginning did', () => {
  for (const n of [1, 5, 100])
    for (const text of [' of the light.', 'The sky is bluer', 'The sky', 'T', '', `${given}${given}!`.slice(1)])
      assert.equal(heard(text, n), [text, false])
})

test('what is no echo is heard at once', () => {
  const messages = [{ role: 'assistant' as const, text: given }]
  const stream = withoutEcho({ messages, continues: true }, thoughtsApart())
  assert.equal([stream.read('The'), textOf(stream.read(' light')), textOf(stream.read(' of'))], [[], 'The light', ' of'])
})

test('nothing is left out where nothing was given to be gone on with', () => {
  assert.equal(heard(`${given} of the light.`, 5, false), [`${given} of the light.`, false])
})

test.run()
