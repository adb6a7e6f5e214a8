/** The simulation itself: that it repeats, that it sees what is wrong, and that what once went wrong goes well now. */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { hire } from './crew.ts'
import { plant } from './garden.ts'
import { bugs } from './planted.ts'
import { readStories } from './stories.ts'
import { storyOf } from './story.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const worker = await hire(root)
const tell = async (story: ReturnType<typeof storyOf>) => (await worker.ask({ order: 'tell', story }, 'told')).outcome

test('every story that once went wrong goes well', async () => {
  for (const [name, story] of Object.entries(await readStories())) assert.equal((await tell(story)).found, [], name)
})

test('a seed is the same world again, whatever was played before it', async () => {
  const fleet = storyOf(12, 'fleet')
  const stories = [storyOf(3), storyOf(11), { ...fleet, acts: fleet.acts.slice(0, 6) }, storyOf(42)]
  const first = []
  for (const story of stories) first.push({ story, ...(await tell(story)) })
  for (const { story, hash, lines } of first.toReversed()) {
    const again = await tell(story)
    assert.equal(
      again.lines.find((line, at) => line !== lines[at]),
      undefined,
      `seed ${story.seed}`,
    )
    assert.is(again.hash, hash)
  }
})

test('a bug that is planted is found', async () => {
  const bug = bugs.find(({ name }) => name === 'effects before the commit')
  assert.ok(bug)
  const { said, seeds } = await plant(root, bug, { most: 100 })
  assert.ok(said, `not found in ${seeds} seeds`)
})

test('what cannot be understood is a sentence and an exit code', () => {
  for (const given of [
    ['--seeds', 'many'],
    ['--seeds', '0'],
    ['--seed', '-1'],
    ['--seed', '1.5'],
    ['--unknown'],
    ['--planted', '--only', 'no such bug'],
    ['--fleet', '--single'],
  ]) {
    const { status, stderr } = spawnSync(process.execPath, ['--import', 'tsx', 'test/sim/main.ts', ...given], {
      cwd: root,
      encoding: 'utf8',
    })
    assert.is(status, 2, given.join(' '))
    assert.match(stderr, /\.\n$/)
    assert.not.match(stderr, /\n {4}at /)
  }
})

test.after(() => worker.end())
test.run()
