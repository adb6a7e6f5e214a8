/** A PostgreSQL server that is ours alone, to be ended and started again. */
import { execFile } from 'node:child_process'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)
const script = fileURLToPath(new URL('../support/postgres-with-vector', import.meta.url))

export interface Server {
  url: string
  /** Ends it as a power cut would, and starts it again. */
  restart(): Promise<void>
  /** Ends it as a power cut would. */
  crash(): Promise<void>
  /** Starts it if it has ended. */
  revive(): Promise<void>
  stop(): Promise<void>
}

/** A PostgreSQL of our own with its data in this folder; `standbyOf` is the URL of its primary. Throws where none is installed. */
export async function startServer(folder: string, { options = '', standbyOf = '' } = {}): Promise<Server> {
  let port = ''
  const start = async () => {
    const { stdout } = await run('bash', [script, folder, ...(port ? [port] : [])], {
      env: { ...process.env, OPTIONS: options, STANDBY_OF: standbyOf },
    })
    const url = stdout.trim().split('\n').at(-1) as string
    port = new URL(url).port
    return url
  }
  await mkdir(folder, { recursive: true, mode: 0o755 })
  const url = await start()
  async function crash() {
    const [pid] = (await readFile(join(folder, 'data/postmaster.pid'), 'utf8')).split('\n')
    process.kill(Number(pid), 'SIGQUIT') // what pg_ctl calls an immediate stop
    while (await isThere(pid as string)) await new Promise((resolve) => setTimeout(resolve, 10))
  }
  return {
    url,
    crash,
    async restart() {
      await crash()
      await start()
    },
    async revive() {
      await start()
    },
    stop: async () => void (await run('bash', [script, 'stop', folder])),
  }
}

/** A process that has ended and that nobody has asked about yet is not there any more. */
async function isThere(pid: string): Promise<boolean> {
  const status = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  return status !== '' && !/\) [ZX] /.test(status)
}
