/** The real process, as an operator starts it, and ended as a test pleases. */
import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { until } from './server.ts'
import { within } from './within.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

export interface NexusProcess {
  pid: number
  url: string
  /** Milliseconds from spawn to the ready line. */
  startedIn: number
  output(): string
  /** How it ended: exit code or signal. */
  ended: Promise<number | NodeJS.Signals>
  kill(signal?: NodeJS.Signals): Promise<number | NodeJS.Signals>
}

function begin(environment: Record<string, string>, cwd: string) {
  const child = spawn(process.execPath, ['--import', fileURLToPath(import.meta.resolve('tsx')), join(root, 'runtime/main.ts')], {
    cwd,
    // Nothing of the developer's own settings: neither variables nor an .env file.
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      TMPDIR: tmpdir(),
      NODE_NAME: '',
      PORT: '0',
      LOG_FORMAT: 'plain',
      ...environment,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  const sweep = () => child.kill('SIGKILL')
  process.once('exit', sweep)
  const ended = new Promise<number | NodeJS.Signals>((resolve) =>
    child.once('close', (code, signal) => {
      process.off('exit', sweep)
      resolve(code ?? (signal as NodeJS.Signals))
    }),
  )
  return { child, ended, output: () => output }
}

/** Resolves once it says that it is ready; throws with everything that it said when it ends before. */
export async function startNexus(environment: Record<string, string>): Promise<NexusProcess> {
  const began = performance.now()
  const { child, ended, output } = begin(environment, tmpdir())
  let end: number | NodeJS.Signals | undefined
  void ended.then((how) => {
    end = how
  })
  const line = await until(
    () => {
      if (end !== undefined) throw new Error(`Nexus ended with ${end}: ${output()}`)
      return /Nexus is ready: open (http:\S+)/.exec(output())
    },
    'the ready line',
    30_000,
  )
  return {
    pid: child.pid as number,
    url: line[1] as string,
    startedIn: performance.now() - began,
    output,
    ended,
    kill(signal = 'SIGKILL') {
      child.kill(signal)
      return within(30_000, ended, `the end after ${signal}`)
    },
  }
}

/** For starts that must not succeed: how it ended and what it said. */
export async function failsToStart(environment: Record<string, string>): Promise<{ code: number | NodeJS.Signals; said: string }> {
  const { child, ended, output } = begin(environment, tmpdir())
  try {
    return { code: await within(30_000, ended, 'a refused start'), said: output() }
  } finally {
    child.kill('SIGKILL')
  }
}

export async function inFolder<T>(run: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'nexus-whole-'))
  try {
    return await run(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
