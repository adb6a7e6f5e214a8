/** The instants at which a test may break the process. */
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { arm, failpoint, FailpointError, failpoints, readFailpoints } from '../../../runtime/host/failpoint.ts'
import { WrongSettings, readConfig } from '../../../runtime/config.ts'
import { child } from '../../support/child.ts'
import { testServer } from '../../support/server.ts'

test.after.each(() => arm([]))

const armed = (text: string) => arm(readFailpoints(text))

test('nothing armed, nothing happens', () => {
  for (const point of failpoints) failpoint(point)
})

test('a point breaks the nth time that it is reached, once, and no other does', () => {
  armed('step.computed:3=throw')
  failpoint('step.computed')
  failpoint('step.committed')
  failpoint('step.computed')
  assert.throws(
    () => failpoint('step.computed'),
    (error: Error) => error instanceof FailpointError,
  )
  failpoint('step.computed')
})

test('a stall holds the event loop for as long as it says', () => {
  armed('delta.spoken=stall:60')
  const began = performance.now()
  failpoint('delta.spoken')
  assert.ok(performance.now() - began >= 60)
})

test('who takes all memory is ended by V8, which says so', async () => {
  const program = `
    import { arm, failpoint, readFailpoints } from './runtime/host/failpoint.ts'
    arm(readFailpoints('step.committed=exhaust'))
    failpoint('step.committed')
    console.log('after')
  `
  const one = child(program, ['--max-old-space-size=64'])
  assert.match(await one.ended, /^SIGABRT\s+failpoint step\.committed: exhaust[\s\S]*heap out of memory/)
  assert.is(await one.line(), undefined)
})

test('kill is the end, in that very line or so many milliseconds later', async () => {
  const program = (text: string) => `
    import { arm, failpoint, readFailpoints } from './runtime/host/failpoint.ts'
    arm(readFailpoints('${text}'))
    process.on('exit', () => console.log('a farewell'))
    console.log('before')
    failpoint('step.committed')
    console.log('after')
    setTimeout(() => console.log('too late'), 5_000)
  `
  for (const [text, lines] of [
    ['step.committed', ['before']],
    ['step.committed=kill:20', ['before', 'after']],
  ] as const) {
    const one = child(program(text))
    assert.match(await one.ended, /^SIGKILL/)
    for (const line of [...lines, undefined]) assert.is(await one.line(), line)
  }
})

test('points are read from a list, and what is no point is refused with the names of all', () => {
  assert.equal(readFailpoints('event.accepted, chunk.kept:7=stall:250,timer.due=throw,join.read:2=exhaust'), [
    { point: 'event.accepted', nth: 1, act: 'kill', ms: 0 },
    { point: 'chunk.kept', nth: 7, act: 'stall', ms: 250 },
    { point: 'timer.due', nth: 1, act: 'throw', ms: 0 },
    { point: 'join.read', nth: 2, act: 'exhaust', ms: 0 },
  ])
  for (const wrong of ['nowhere', 'chunk.kept:0', 'chunk.kept=burn', 'chunk.kept=stall', 'chunk.kept,'])
    assert.throws(() => readFailpoints(wrong), /step\.committed/, wrong)
})

test('every named instant is passed somewhere in the program', () => {
  const home = fileURLToPath(new URL('../../../runtime', import.meta.url))
  const program = readdirSync(home, { recursive: true })
    .map(String)
    .filter((file) => file.endsWith('.ts') && !file.endsWith('failpoint.ts'))
    .map((file) => readFileSync(join(home, file), 'utf8'))
    .join('')
  assert.equal(
    failpoints.filter((point) => !program.includes(`failpoint('${point}')`)),
    [],
  )
})

test('a system that was started with a point breaks there, and only there', async () => {
  const server = await testServer({ FAILPOINTS: 'event.accepted:2=throw' })
  const told: number[] = []
  for (const message of ['one', 'two', 'three']) told.push((await server.ask('POST', '/v1/chat', { message })).status)
  await server.stop()
  assert.equal(told, [200, 500, 200])
})

test('production refuses to be broken on purpose', () => {
  const environment = { APP_ENV: 'production', API_KEY: 'a key of enough length', FAILPOINTS: 'step.committed' }
  try {
    readConfig(environment)
    assert.unreachable()
  } catch (error) {
    assert.instance(error, WrongSettings)
    assert.match((error as Error).message, /FAILPOINTS .* not for APP_ENV=production/)
  }
  assert.is(readConfig({ ...environment, APP_ENV: 'development' }).failpoints.length, 1)
})

test.run()
