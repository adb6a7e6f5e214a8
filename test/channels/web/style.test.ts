/** Text is legible on every ground that it stands on, in both themes (WCAG AA). */
import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'

const css = readFileSync(new URL('../../../channels/web/style.css', import.meta.url), 'utf8')
const colours = Object.fromEntries(
  [...css.matchAll(/--([\w-]+): light-dark\((#\w{6}), (#\w{6})\)/g)].map(([, name, light, dark]) => [name!, [light!, dark!] as const]),
)

const grounds = ['ground', 'sunk', 'raised']
const pairs: [text: string, ground: string][] = [
  ...['ink', 'soft', 'accent'].flatMap((text) => grounds.map((ground): [string, string] => [text, ground])),
  ...['keyword', 'string', 'number', 'title', 'comment'].map((name): [string, string] => [`hl-${name}`, 'sunk']),
  ['ink', 'bubble'],
  ['ink', 'accent-wash'],
  ['soft', 'accent-wash'],
  ['accent', 'accent-wash'],
  ['accent-ink', 'accent'],
  ['danger', 'danger-wash'],
  ['danger', 'ground'],
  ['warn', 'warn-wash'],
]

for (const [text, ground] of pairs)
  test(`${text} is legible on ${ground}`, () => {
    for (const theme of [0, 1] as const) {
      const ratio = contrast(colours[text]![theme], colours[ground]![theme])
      assert.ok(ratio >= 4.5, `${theme === 0 ? 'light' : 'dark'}: ${ratio.toFixed(2)}`)
    }
  })

test('nothing is fetched from elsewhere', () => {
  assert.not.match(css, /url\(|@import|https?:/)
})

function contrast(a: string, b: string): number {
  const [dark, light] = [luminance(a), luminance(b)].sort((x, y) => x - y)
  return (light! + 0.05) / (dark! + 0.05)
}

function luminance(hex: string): number {
  const [r, g, b] = [1, 3, 5].map((at) => {
    const part = parseInt(hex.slice(at, at + 2), 16) / 255
    return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!
}

test.run()
