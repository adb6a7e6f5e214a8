/** The walls between the rooms. If a change needs a new door, change the table here in the same commit and say why. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { readFileSync, readdirSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const home = fileURLToPath(new URL('..', import.meta.url))

interface Import {
  from: string
  /** A file of ours, or the name of a package. */
  to: string
  typeOnly: boolean
}

const rooms = ['machines', 'actors', 'channels', 'sql', 'runtime'] as const

const files = rooms.flatMap((room) => {
  try {
    return readdirSync(join(home, room), { recursive: true })
      .map((file) => join(room, String(file)).replaceAll('\\', '/'))
      .filter((file) => /\.(ts|tsx|mjs)$/.test(file) && !/(^|\/)(dist|node_modules)\//.test(file))
  } catch {
    return [] // a room that is not built yet has no walls to cross
  }
})

const sources = new Map(files.map((file) => [file, readFileSync(join(home, file), 'utf8')]))

/** Without comments and without what stands in strings, so that prose is not taken for code. Templates stay. */
const codeOf = (source: string) => source.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|[^:'"`\\])\/\/.*$/gm, '$1')

const imports: Import[] = [...sources].flatMap(([from, source]) =>
  [
    ...codeOf(source).matchAll(
      /(?:^|\n)\s*(import|export)\s+(type\s+)?((?:[\w*{}\s,$]|\bas\b)*?\bfrom\s+)?['"]([^'"\n]+)['"]|\bimport\(\s*['"]([^'"\n]+)['"]/g,
    ),
  ].flatMap((found): Import[] => {
    const [, , type, names = '', statically, dynamically] = found
    const spec = statically ?? dynamically
    if (!spec || (found[1] === 'export' && !names)) return []
    const to = spec.startsWith('.') ? relative(home, normalize(join(home, dirname(from), spec))).replaceAll('\\', '/') : spec
    const listed = names.match(/\{([^}]*)\}/)?.[1]
    const typeOnly = Boolean(type) || listed?.split(',').every((name) => !name.trim() || name.trim().startsWith('type ')) === true
    return [{ from, to, typeOnly }]
  }),
)

const roomOf = (file: string) => file.slice(0, file.indexOf('/'))
const isOurs = ({ to }: Import) => (rooms as readonly string[]).includes(roomOf(to))
const shown = ({ from, to }: Import) => `${from} → ${to}`

/** Which rooms each room may enter. */
const doors: Record<string, readonly string[]> = {
  machines: ['machines'],
  actors: ['actors', 'machines', 'sql'],
  channels: ['channels', 'machines'],
  sql: ['sql', 'machines'],
  runtime: rooms,
}

/** Doors for one reason each. */
const exceptions: ((one: Import) => boolean)[] = [
  // The page is a client of the public contract: it takes its types and nothing that runs.
  ({ from, to, typeOnly }) => from.startsWith('channels/web/') && to === 'runtime/gateway/protocol.ts' && typeOnly,
]

test('there is something to look at', () => {
  assert.ok(files.length > 50, `${files.length} files`)
  assert.ok(imports.length > 150, `${imports.length} imports`)
})

test('no room enters another but through its doors', () => {
  const crossed = imports.filter(
    (one) => isOurs(one) && !doors[roomOf(one.from)]?.includes(roomOf(one.to)) && !exceptions.some((allows) => allows(one)),
  )
  assert.equal(crossed.map(shown), [])
})

test('every import of ours names a file that is there', () => {
  const missing = imports.filter((one) => isOurs(one) && /\.(ts|tsx|mjs)$/.test(one.to) && !sources.has(one.to))
  assert.equal(missing.map(shown), [])
})

test('the machines import xstate and themselves, nothing else', () => {
  assert.equal(imports.filter(({ from, to }) => roomOf(from) === 'machines' && to !== 'xstate' && roomOf(to) !== 'machines').map(shown), [])
})

test('only one file knows xstate from the inside', () => {
  assert.equal(
    imports.filter((one) => roomOf(one.from) === 'runtime' && /^xstate(\/|$)/.test(one.to) && !one.typeOnly).map(({ from }) => from),
    ['runtime/host/xstate.ts'],
  )
})

test('the heart knows no channel and no model', () => {
  const known = imports.filter(
    ({ from, to }) => from.startsWith('runtime/host/') && (roomOf(to) === 'channels' || to.startsWith('actors/models')),
  )
  assert.equal(known.map(shown), [])
})

test('the machines have no clock, no chance, no timer and no waiting', () => {
  const found = [...sources].filter(
    ([file, source]) =>
      roomOf(file) === 'machines' &&
      /\bDate\.now\b|\bnew Date\b|\bMath\.random\b|\bset(Timeout|Interval|Immediate)\b|\bawait\b|\bprocess\./.test(codeOf(source)),
  )
  assert.equal(
    found.map(([file]) => file),
    [],
  )
})

test('the step has no clock, no chance and no waiting', () => {
  for (const file of ['step', 'tree', 'xstate', 'row', 'migrate']) {
    assert.not.match(
      codeOf(sources.get(`runtime/host/${file}.ts`) ?? ''),
      /\bDate\.now\b|\bMath\.random\b|\bsetTimeout\b|\bawait\b|\bprocess\./,
      file,
    )
  }
})

test('no query is written outside of sql/', () => {
  const found = [...sources].flatMap(([file, source]) =>
    roomOf(file) === 'sql'
      ? []
      : [...codeOf(source).matchAll(/\bsql(?:\([^)]*\))?`[^`]*`|\.unsafe\(/g)].map(([query]) => `${file}: ${query}`),
  )
  assert.equal(found, [])
})

/** Programs of the workshop, not of the system: they start Nexus and hand their environment on. */
const isWorkshop = (file: string) => file === 'channels/web/pictures.ts'

test('only runtime/config.ts reads the environment', () => {
  const found = [...sources].filter(
    ([file, source]) => file !== 'runtime/config.ts' && !isWorkshop(file) && /\bprocess\.env\b/.test(codeOf(source)),
  )
  assert.equal(
    found.map(([file]) => file),
    [],
  )
})

test('no file is called helpers, utils, common, manager or service', () => {
  assert.equal(
    files.filter((file) => /(^|\/)(helpers?|utils?|common|manager|service)\b/.test(file)),
    [],
  )
})

test.run()
