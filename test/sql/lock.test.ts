import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { lockFolder } from '../../sql/lock.ts'
import { child } from '../support/child.ts'
import { within } from '../support/within.ts'

let folder: string
const path = () => join(folder, 'lock')
const refusal = () =>
  lockFolder(folder).then(
    () => 'locked',
    (why: Error) => why.message,
  )

test.before.each(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nexus-lock-'))
})
test.after.each(() => rm(folder, { recursive: true }))

const locker = (dir: string) =>
  child(`
  import { lockFolder } from './sql/lock.ts'
  await lockFolder(${JSON.stringify(dir)})
  console.log('locked')
  process.stdin.resume()
`)

/** The lock as somebody else would have left it. */
async function forge(change: object): Promise<void> {
  const lock = await lockFolder(folder)
  const mine = JSON.parse(await readFile(path(), 'utf8'))
  await lock.release()
  await writeFile(path(), JSON.stringify({ ...mine, token: 'forged', ...change }))
}

test('a folder is locked once, and again after it was released', async () => {
  const lock = await lockFolder(folder)
  assert.match(await refusal(), new RegExp(`in use by process ${process.pid}`))
  await lock.release()
  await (await lockFolder(folder)).release()
  assert.equal(await readdir(folder), [])
})

test('the refusal names the other process, and a killed one holds nothing', async () => {
  const other = locker(folder)
  await within(15_000, other.line(), 'the other process')
  assert.match(await refusal(), new RegExp(`${folder} is in use by process ${other.pid}:`))
  await other.kill()
  await (await within(5_000, lockFolder(folder))).release()
})

test('a pid that another program has been given since does not hold the folder', async () => {
  await forge({ pid: process.ppid, started: 'long ago' })
  assert.is(await refusal(), 'locked')
})

test('a lock from before the machine was started anew does not hold the folder', async () => {
  await forge({ boot: 'an earlier one' })
  assert.is(await refusal(), 'locked')
})

test('a lock whose writing was cut short does not hold the folder', async () => {
  await writeFile(path(), '{"token":"ha')
  assert.is(await within(5_000, refusal()), 'locked')
})

test('of twenty that find the same leftover, one takes over', async () => {
  await forge({ pid: process.ppid, started: 'long ago' })
  const answers = await within(10_000, Promise.all(Array.from({ length: 20 }, refusal)))
  assert.is(answers.filter((answer) => answer === 'locked').length, 1)
  assert.equal(await readdir(folder), ['lock'])
})

test('of four processes that find the same leftover, one takes over', async () => {
  await forge({ pid: process.ppid, started: 'long ago' })
  const others = Array.from({ length: 4 }, () => locker(folder))
  const ends = await within(30_000, Promise.all(others.map((other) => Promise.race([other.line(), other.ended]))))
  assert.is(ends.filter((end) => end === 'locked').length, 1)
  await Promise.all(others.map((other) => other.kill()))
})

test('in another container a lock is alive while it is being touched', async () => {
  await forge({ space: 'elsewhere', host: 'box', pid: 1 })
  const toucher = setInterval(() => utimes(path(), new Date(), new Date()), 5)
  const refused = await lockFolder(folder, { beat: 20, watch: 2_000 }).then(
    () => 'locked',
    (why: Error) => why.message,
  )
  clearInterval(toucher)
  assert.match(refused, /in use by process 1 on box/)
  await (await within(5_000, lockFolder(folder, { beat: 20, watch: 100 }))).release()
})

test('whoever loses the folder hears of it', async () => {
  const lock = await lockFolder(folder, { beat: 10, watch: 100 })
  await writeFile(path(), JSON.stringify({ ...JSON.parse(await readFile(path(), 'utf8')), token: 'another', pid: 4711 }))
  assert.match((await within(5_000, lock.lost)).message, /taken over by process 4711/)
  await lock.release()
  assert.equal(await readdir(folder), ['lock']) // and leaves it to the other one
})

test.run()
