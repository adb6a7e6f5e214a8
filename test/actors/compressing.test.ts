import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { compress, extractOf } from '../../actors/compressing.ts'
import { defaultHistory, toldOf } from '../../actors/history.ts'
import { within } from '../support/within.ts'
import { count, dialog, fakeModels, handClock, message, says } from './samples.ts'

const filler = (at: number) => `Step ${at}: ${'we looked at one more part of the program and found it in good order. '.repeat(8)}`
const english = dialog(
  'hello',
  'Hello! What can I do for you?',
  'Please migrate our billing service to TypeScript. The API must stay compatible with version 2. Do not touch src/legacy/invoice.js.',
  `Understood. ${filler(1)}`,
  'Return the plan as a Markdown table. At most 20 rows.',
  `Here is a table. ${filler(2)}`,
  ...Array.from({ length: 14 }, (_, at) => (at % 2 ? filler(at + 3) : `Go on with module ${at}, see lib/module${at}.ts`)),
  'Now the tests.',
  'The tests are in test/billing.test.ts.',
)
const chinese = dialog(
  '请帮我重构订单模块，代码在 src/order/service.ts。',
  '好的。',
  '接口必须保持兼容，不要修改数据库结构。请用表格给出步骤。',
  ...Array.from({ length: 21 }, (_, at) => `第${at}步：${'我们检查了程序的另一个部分，一切正常。'.repeat(8)}`),
)

const circumstances = { signal: new AbortController().signal, tenant: 'acme' }

test('a history that fits the window is left alone', async () => {
  assert.is(await compress({ models: fakeModels([]) }, dialog('a', 'b', 'c'), circumstances), undefined)
  assert.is(await compress({ models: fakeModels([]) }, [], circumstances), undefined)
})

test('a brief keeps goal, constraints, expected output and files', () => {
  const brief = extractOf(english, count)
  assert.match(brief, /Goal: Please migrate our billing service to TypeScript/)
  assert.match(brief, /Constraints:\n(?:- .*\n)*- The API must stay compatible with version 2\./)
  assert.match(brief, /- Do not touch src\/legacy\/invoice\.js\./)
  assert.match(brief, /Expected output:\n- Return the plan as a Markdown table\./)
  assert.match(brief, /Files: .*src\/legacy\/invoice\.js.*test\/billing\.test\.ts/)
})

test('a Chinese brief keeps the same', () => {
  const brief = extractOf(chinese, count)
  assert.match(brief, /Goal: 请帮我重构订单模块/)
  assert.match(brief, /接口必须保持兼容，不要修改数据库结构。/)
  assert.match(brief, /Expected output:\n- 请用表格给出步骤。/)
  assert.match(brief, /src\/order\/service\.ts/)
})

test('a brief never has more than 900 tokens', () => {
  const histories = [
    english,
    chinese,
    dialog(...Array.from({ length: 40 }, () => `You must ${'x y '.repeat(2_000)} file.ts`)),
    dialog(...Array.from({ length: 40 }, (_, at) => `short ${at}`)),
    dialog('汉'.repeat(50_000), 'x'.repeat(50_000), 'a/'.repeat(50_000), 'b'),
  ]
  for (const history of histories) {
    const brief = extractOf(history, count)
    assert.ok(count(brief) <= 900, `${count(brief)}`)
    assert.ok(brief.length > 0)
  }
})

test('nothing stands in a brief that nobody said', () => {
  for (const history of [english, chinese]) {
    const said = history.map(({ text }) => text.replace(/\s+/g, ' ')).join(' ')
    const labels = /^(?:Goal: |Constraints:|Expected output:|Files: |Before:|- |User: |Assistant: |Operator: )/
    for (const line of extractOf(history, count).split('\n')) {
      for (const piece of line.replace(labels, '').split(/ … \[truncated\] … |, (?=\S+\.\w+)/))
        assert.ok(said.includes(piece.trim()), piece)
    }
  }
})

test('the last exchange is not told twice', () => {
  const brief = extractOf(english, count)
  assert.not.match(brief, /Now the tests\./)
  assert.match(brief, /User: Go on with module 12/)
})

test('many short messages all find room, so that a brief loses nothing', () => {
  const history = dialog(...Array.from({ length: 30 }, (_, at) => `fact number ${at}`))
  const brief = extractOf(history, count)
  for (let at = 0; at < 28; at++) assert.match(brief, new RegExp(`fact number ${at}\\b`))
})

test('what is spared are the tokens of the history less those sent in its place', async () => {
  const told = await compress({ models: fakeModels([]) }, english, circumstances)
  const whole = english.reduce((sum, { text }) => sum + count(text), 0)
  assert.is(told?.saved, whole - count(told?.brief ?? '') - count('Now the tests.') - count('The tests are in test/billing.test.ts.'))
  assert.is(told?.usage, undefined)
})

test("Admin's model writes the brief where there is one", async () => {
  const models = fakeModels([says('Goal: migrate billing to TypeScript. Files: src/legacy/invoice.js')], { admin: true })
  const told = await compress({ models }, english, circumstances)
  assert.is(told?.brief, 'Goal: migrate billing to TypeScript. Files: src/legacy/invoice.js')
  assert.equal(told?.usage, { in: 10, out: 5 })
  assert.is(models.asked[0]?.tier, 'admin')
})

test('a brief that names a file, link or number that nobody named is not believed', async () => {
  const extract = extractOf(toldOf(english), count)
  for (const invented of [
    'See src/invented.ts',
    'See https://example.org/plan',
    'The budget is 25,000 dollars',
    '',
    'word '.repeat(2_000),
  ]) {
    const told = await compress({ models: fakeModels([says(invented)], { admin: true }) }, english, circumstances)
    assert.is(told?.brief, extract, invented)
  }
})

test('a silent model does not hold the brief up', async () => {
  const clock = handClock()
  const told = compress({ models: fakeModels(['silence'], { admin: true }), clock }, english, circumstances)
  await new Promise(setImmediate)
  clock.tick(8_000)
  assert.is((await within(3_000, told))?.brief, extractOf(toldOf(english), count))
})

test('a history of greetings has no goal and still a brief', () => {
  const brief = extractOf(dialog(...Array.from({ length: 30 }, (_, at) => (at % 2 ? 'Hello!' : 'hi'))), count, defaultHistory)
  assert.not.match(brief, /Goal/)
  assert.match(brief, /Before:\nUser: hi/)
})

test('an operator is named as one', () => {
  const past = [
    message({ text: 'I want my money back, order 4711' }),
    message({ role: 'operator', text: 'I am Ann and will look into it.' }),
    ...dialog(...Array.from({ length: 22 }, (_, at) => `line ${at}`)),
  ]
  assert.match(extractOf(past, count), /Operator: I am Ann/)
})

test.run()
