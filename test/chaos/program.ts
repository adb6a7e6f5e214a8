/** The program as it is shipped: compiled once, as the container image has it, and started again after every end. */
import { execFile, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { cp, mkdir, readdir, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const root = fileURLToPath(new URL('../..', import.meta.url))

export interface Life {
  pid: number
  /** Resolves once it says that it is ready; false when it ended before. */
  ready: Promise<boolean>
  /** Exit code or signal. */
  ended: Promise<number | NodeJS.Signals>
}

export interface Program {
  /** Starts it with these settings and nothing else; what it logs is added to the file. */
  start(environment: Record<string, string>, log: string): Life
}

/** Compiles into a folder of its own. Types are not looked at here: that is the checker's work. */
export async function compile(into: string): Promise<Program> {
  await promisify(execFile)(join(root, 'node_modules/.bin/tsc'), ['-p', 'tsconfig.build.json', '--noCheck', '--outDir', into], {
    cwd: root,
  })
  const beside = (await readdir(join(root, 'sql'))).filter((file) => /\.(sql|mjs)$/.test(file)).map((file) => join('sql', file))
  await mkdir(join(into, 'channels/web'), { recursive: true })
  for (const path of [...beside, 'channels/web/dist', 'package.json', 'README.md'])
    await cp(join(root, path), join(into, path), { recursive: true })
  await symlink(join(root, 'node_modules'), join(into, 'node_modules'))

  return {
    start(environment, log) {
      const file = openSync(log, 'a')
      const child = spawn(process.execPath, [join(into, 'runtime/main.js')], {
        cwd: into,
        env: { PATH: process.env.PATH, HOME: process.env.HOME, TMPDIR: tmpdir(), LOG_FORMAT: 'plain', ...environment },
        stdio: ['ignore', 'pipe', file],
      })
      closeSync(file)
      const sweep = () => child.kill('SIGKILL')
      process.once('exit', sweep)
      const ended = new Promise<number | NodeJS.Signals>((resolve) =>
        child.once('exit', (code, signal) => {
          process.off('exit', sweep)
          resolve(code ?? (signal as NodeJS.Signals))
        }),
      )
      let said = ''
      const ready = new Promise<boolean>((resolve) => {
        child.stdout!.setEncoding('utf8').on('data', (text: string) => {
          said += text
          if (/Nexus is ready/.test(said)) resolve(true)
        })
        void ended.then(() => resolve(false))
      })
      return { pid: child.pid as number, ready, ended }
    },
  }
}
