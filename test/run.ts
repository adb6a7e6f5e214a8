/** Runs the tests: every file in a process of its own, two at a time. Arguments choose the files whose path contains one
 *  of them. The last line is `N passed, N failed`. */
import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { leftOutOf } from './support/left-out.ts'

const LIMIT = Number(process.env.TEST_LIMIT ?? 120) // seconds for one file
const AT_ONCE = 2

interface Outcome {
  file: string
  passed: number
  failed: number
  skipped: number
  seconds: number
  /** Why the file counts as failed although no test of it does. */
  trouble?: string
  output: string
}

const root = fileURLToPath(new URL('..', import.meta.url))
const running = new Set<ChildProcess>()

async function find(filters: string[]): Promise<string[]> {
  const all = await readdir(join(root, 'test'), { recursive: true })
  return all
    .filter((file) => file.endsWith('.test.ts'))
    .map((file) => join('test', file).replaceAll('\\', '/'))
    .filter((file) => !filters.length || filters.some((filter) => file.includes(filter.replace(/^\.\//, ''))))
    .sort()
}

/** The process and all that it started. */
function kill(child: ChildProcess): void {
  try {
    process.kill(-child.pid!, 'SIGKILL')
  } catch {
    child.kill('SIGKILL') // it leads no group, as on Windows, or is already gone
  }
}

async function run(file: string): Promise<Outcome> {
  const began = performance.now()
  const child = spawn(process.execPath, ['--import', 'tsx', file], {
    cwd: root,
    detached: true, // a group of its own, so that a hanging test takes its children with it
    env: { ...process.env, FORCE_COLOR: '0' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  running.add(child)
  let output = ''
  /** Without what came over the other stream, in the midst of a line perhaps. */
  let said = ''
  let late = false
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
      if (stream === child.stdout) said += text
    })
  const timer = setTimeout(() => {
    late = true
    kill(child)
  }, LIMIT * 1000)
  const end = await new Promise<string | number | null>((resolve) => {
    child.once('error', (why) => resolve(why.message))
    child.once('close', (code, signal) => resolve(code ?? signal))
  })
  clearTimeout(timer)
  running.delete(child)
  return { file, ...judge(said, end, late), seconds: (performance.now() - began) / 1000, output }
}

/** uvu closes with `Total`, `Passed` and `Skipped`, of which the first leaves the last out. A file that never got there
 *  did not test anything; one that skipped everything says so. */
function judge(said: string, end: string | number | null, late: boolean): Pick<Outcome, 'passed' | 'failed' | 'skipped' | 'trouble'> {
  const count = (word: string) => Number([...said.matchAll(new RegExp(`^\\s*${word}:\\s+(\\d+)\\s*$`, 'gm'))].at(-1)?.[1] ?? Number.NaN)
  const [total, passed, skipped] = [count('Total'), count('Passed') || 0, count('Skipped') || 0]
  const broken = (trouble: string) => ({ passed, failed: 1, skipped, trouble })
  if (late) return broken(`still running after ${LIMIT} s`)
  if (Number.isNaN(total)) return broken(`ended with ${end} before its tests did`)
  if (total + skipped === 0 && leftOutOf(said).length === 0) return broken('has no tests')
  if (end !== 0 && total === passed) return broken(`ended with ${end} although its tests passed`)
  return { passed, failed: total - passed, skipped }
}

function report({ file, passed, failed, skipped, seconds, trouble, output }: Outcome): void {
  const notes = [skipped && `${skipped} skipped`, trouble].filter(Boolean).join('; ')
  const score = `${passed}/${passed + failed}`.padStart(7)
  console.log(`${failed ? '✗' : '✓'} ${file.padEnd(width)}  ${score}  ${seconds.toFixed(1).padStart(5)} s  ${notes}`.trimEnd())
  if (failed) console.log(`\n${output.trimEnd().replace(/^/gm, '    ')}\n`)
}

/** What the tests found here. What each has left out for want of it follows, so that nobody takes it for passed. */
function neighbours(): string {
  const chromium =
    process.env.CHROMIUM ??
    process.env.CHROME_PATH ??
    ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) => existsSync(path))
  const all: [string, unknown][] = [
    ['postgres (TEST_DATABASE_URL)', process.env.TEST_DATABASE_URL],
    ['redis (TEST_REDIS_URL)', process.env.TEST_REDIS_URL],
    ['chromium', chromium],
  ]
  const used = all.filter(([, value]) => Boolean(value)).map(([name]) => name)
  return `used: ${used.join(', ') || 'nothing'}`
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    for (const child of running) kill(child)
    process.exit(130)
  })
}

const files = await find(process.argv.slice(2))
const width = Math.max(0, ...files.map((file) => file.length))
const outcomes: Outcome[] = []
const waiting = [...files]
await Promise.all(
  Array.from({ length: AT_ONCE }, async () => {
    for (let file = waiting.shift(); file; file = waiting.shift()) {
      const outcome = await run(file)
      outcomes.push(outcome)
      report(outcome)
    }
  }),
)

const sum = (of: 'passed' | 'failed') => outcomes.reduce((all, outcome) => all + outcome[of], 0)
const broken = outcomes.filter((outcome) => outcome.failed).map((outcome) => outcome.file)
if (broken.length) console.log(`\nfailed: ${broken.join(', ')}`)
console.log(`\n${neighbours()}`)
for (const what of new Set(outcomes.flatMap(({ output }) => leftOutOf(output)))) console.log(`left out: ${what}`)
process.exitCode = sum('failed') || !sum('passed') ? 1 : 0
console.log(`${sum('passed')} passed, ${sum('failed')} failed`)
