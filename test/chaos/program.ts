/** The program as it is shipped: compiled once, as the container image has it, and started again after every end. */
import { execFile, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { cp, mkdir, readFile, readdir, symlink, writeFile } from 'node:fs/promises'
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
  /** Starts it with these settings and nothing else; what it logs is added to the file. `within`: a command that becomes the program. */
  start(environment: Record<string, string>, log: string, within?: readonly string[]): Life
  /** A copy of it that has the next version of the conversation's machine, and whose own trees no older one can read. */
  newer(into: string): Promise<Program>
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
  return programIn(into)
}

function programIn(into: string): Program {
  return {
    async newer(folder) {
      await cp(into, folder, { recursive: true, verbatimSymlinks: true })
      const file = join(folder, 'machines/index.js')
      const text = await readFile(file, 'utf8')
      const found = /version: (\d+), migrations: \{/.exec(text)
      if (!found) throw new Error(`${file} does not name the version of its machine as it used to`)
      const version = Number(found[1])
      await writeFile(file, text.replace(found[0], `version: ${version + 1}, migrations: { ${version}: (tree) => tree,`))
      return programIn(folder)
    },
    start(environment, log, within = []) {
      const file = openSync(log, 'a')
      const [command = '', ...words] = [...within, process.execPath, join(into, 'runtime/main.js')]
      const child = spawn(command, words, {
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
