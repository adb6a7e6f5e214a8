import { readFile } from 'node:fs/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { liveNames } from '../machines/event.ts'
import { refusals } from '../machines/refusal.ts'
import { clientEvents } from '../runtime/gateway/schema.ts'
import { example, written } from '../runtime/readme.ts'

const read = (path: string) => readFile(new URL(path, import.meta.url), 'utf8')
const readme = await read('../README.md')
const packages = JSON.parse(await read('../package.json')) as {
  dependencies: Record<string, string>
  devDependencies: Record<string, string>
}

test('the README has the charts, settings and refusals of the code: `npm run readme` writes them', () => {
  assert.is(readme, written(readme))
})

test('the README lists every refusal with its status', () => {
  for (const [code, [status, sentence]] of Object.entries(refusals))
    assert.ok(readme.includes(`| \`${code}\` | ${status} | ${sentence} |`), code)
})

test('.env.example lists every setting', async () => {
  assert.is(await read('../.env.example'), example())
})

test('the README names every event that a client may send', () => {
  for (const name of Object.keys(clientEvents)) assert.ok(readme.includes(`\`${name}\``), name)
})

test('the README names every event that the types let the server send', async () => {
  const source = await read('../machines/event.ts')
  const names = [...source.matchAll(/^ {2}'([a-z]+\.[a-z]+)':/gm)].map(([, name]) => name as string)
  assert.ok(names.length > 10)
  for (const name of names) {
    if (liveNames.has(name) && name === 'message.refused') continue // told to the sender alone, as a refusal
    assert.ok(readme.includes(`\`${name}\``), name)
  }
})

test('the README gives a reason for every dependency', () => {
  for (const name of [...Object.keys(packages.dependencies), ...Object.keys(packages.devDependencies)]) {
    if (name.startsWith('@types/')) continue
    assert.ok(readme.includes(`\`${name}\``), name)
  }
})

test('every file that the README sends its readers to is there', async () => {
  const names = [...readme.matchAll(/`((?:machines|runtime|actors|channels|sql|test)\/[\w./-]+\.(?:ts|tsx|sql|json))`/g)].map(
    ([, name]) => name as string,
  )
  assert.ok(names.length > 10)
  for (const name of new Set(names)) {
    if (/NAME|\*/.test(name)) continue
    await read(`../${name}`)
  }
})

test.run()
