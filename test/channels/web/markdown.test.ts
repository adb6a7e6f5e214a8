import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { heal } from '../../../channels/web/heal.ts'
import { prose, render } from '../../../channels/web/markdown.ts'

const shown = (text: string): string => prose()(text, false).join('')
const textOf = (html: string): string => html.replace(/<[^>]+>/g, '')

for (const [open, whole] of [
  ['**bo', '**bo**'],
  ['a **', 'a '],
  ['a **b*', 'a **b**'],
  ['*it', '*it*'],
  ['***both', '***both***'],
  ['~~no', '~~no~~'],
  ['_it', '_it_'],
  ['`co', '`co`'],
  ['x `', 'x '],
  ['``a ` b', '``a ` b``'],
  ['**a `b', '**a `b`**'],
  ['- **x', '- **x**'],
  ['see [the', 'see the'],
  ['see [the](htt', 'see the'],
  ['see [the]', 'see the'],
  ['see [1]', 'see [1]'],
  ['![a](h', ''],
] as const)
  test(`${JSON.stringify(open)} is healed to ${JSON.stringify(whole)}`, () => assert.is(heal(open), whole))

for (const text of ['2 * 3 * 4', 'snake_case_name', 'a [1] b', 'https://x.example/a_b_c', '**done** and *done*', 'a \\* b'])
  test(`${JSON.stringify(text)} is left alone`, () => assert.is(heal(text), text))

test('an unfinished fence is code already, without a half-named language', () => {
  assert.match(shown('```py'), /<pre/)
  assert.not.match(shown('```py'), />py</)
  assert.match(shown('```python\nprint(1)'), />python</)
})

test('half a closing fence is not code', () => {
  assert.not.match(textOf(shown('```\nx\n``')), /`/)
})

test('markers in code stay as they are', () => {
  assert.match(shown('```\na ** b'), /a \*\* b/)
})

test('a table waits for its head, and its rows wait for their end', () => {
  assert.is(shown('| a | b |'), '')
  assert.is(shown('| a | b |\n|--'), '')
  assert.match(shown('| a | b |\n|--|--|\n'), /<th[^>]*>a/)
  assert.not.match(shown('| a | b |\n|--|--|\n| one | t'), /one/)
  assert.match(shown('| a | b |\n|--|--|\n| one | two |\n'), /one/)
})

test('a line of markers waits, so that text is not a heading for a moment', () => {
  assert.not.match(shown('text\n-'), /<h2/)
  assert.not.match(shown('text\n\n#'), /#/)
})

test('finished text is not healed', () => {
  assert.match(prose()('a **b', true).join(''), /\*\*b/)
})

test('a reference that is defined below is found when the text is finished', () => {
  const read = prose()
  const text = 'See [here][x].\n\nMore.\n\n[x]: https://example.org\n'
  read(text.slice(0, 20), false)
  assert.match(read(text, true).join(''), /href="https:\/\/example\.org"/)
})

test('raw HTML is text, scripts are no links, pictures are links with their host', () => {
  assert.not.match(render('<b onclick=x>hi</b>').join(''), /<b/)
  assert.not.match(render('[a](javascript:alert(1)) [b](data:text/html,x) [c](vbscript:x)').join(''), /href/)
  const picture = render('![cat](https://evil.example/c.png)').join('')
  assert.not.match(picture, /<img/)
  assert.match(picture, /evil\.example<\/span>/)
})

test('links open elsewhere, tell nobody, and show where they lead', () => {
  const html = render('[docs](https://www.example.org/a) and https://plain.example').join('')
  assert.match(html, /rel="noopener nofollow" target="_blank"/)
  assert.match(html, /docs <span class="host" dir="ltr">example\.org<\/span>/)
  assert.is(html.match(/class="host"/g)?.length, 1, 'a bare address is its own host')
})

test('every block finds its own direction, and code does not', () => {
  assert.match(render('مرحبا').join(''), /<p dir="auto">/)
  assert.match(render('```\nx\n```').join(''), /class="code" dir="ltr"/)
})

test('nothing carries a style attribute, which the policy would refuse', () => {
  assert.not.match(render('| a | b |\n|:-:|--:|\n| 1 | 2 |').join(''), /style=/)
  assert.match(render('| a | b |\n|:-:|--:|\n| 1 | 2 |').join(''), /class="align-right"/)
})

const pieces = fc.constantFrom(
  'A plain paragraph.\nWith two lines.\n\n',
  '# Heading\n\n',
  '- one\n- **two**\n\n  more of two\n',
  '1. first\n2. second\n\n',
  '> quoted *text*\n\n',
  '```ts\nconst a = 1\n\nconst b = `x`\n```\n',
  '| a | b |\n|---|--:|\n| 1 | 2 |\n\n',
  'With **bold**, *italic*, `code` and [a link](https://example.org/a_b).\n\n',
  '---\n\n',
  '    indented\n\n',
  '~~~\n```\n~~~\n',
  '***both***\n',
  'Setext\n===\n\n',
  '* star\n\n* loose\n',
)
const texts = fc.array(pieces, { minLength: 1, maxLength: 8 }).map((all) => all.join(''))

test('read in any pieces, the finished text is the same as read at once', () => {
  fc.assert(
    fc.property(texts, fc.array(fc.nat(400), { maxLength: 30 }), (text, cuts) => {
      const read = prose()
      for (const cut of cuts.map((n) => n % (text.length + 1)).sort((a, b) => a - b)) read(text.slice(0, cut), false)
      assert.is(read(text, true).join(''), render(text).join(''))
    }),
    { numRuns: 300 },
  )
})

test('a block that is closed never changes again', () => {
  fc.assert(
    fc.property(texts, (text) => {
      const read = prose()
      let before: readonly string[] = []
      for (let i = 1; i <= text.length; i++) {
        const now = read(text.slice(0, i), false)
        const settled = Math.min(before.length, now.length) - 2
        for (let b = 0; b < settled; b++) assert.is(now[b], before[b])
        before = now
      }
    }),
    { numRuns: 40 },
  )
})

test('no marker shows at any moment of a text that closes them all', () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom('**bold** ', '*it* ', '`code` ', '[link](https://e.org/x_y) ', '~~gone~~ ', 'word '), { maxLength: 10 }),
      (words) => {
        const text = words.join('')
        const read = prose()
        for (let i = 1; i <= text.length; i++)
          assert.not.match(textOf(read(text.slice(0, i), false).join('')), /[*`~[\]]/, JSON.stringify(text.slice(0, i)))
      },
    ),
  )
})

test.run()
