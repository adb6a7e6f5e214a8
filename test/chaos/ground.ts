/** Where a world stands: a folder or a database of its own, on a server that may be ours to break, on a disk that may be small. */
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { appendFile, cp, mkdir, readFile, rm, statfs, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import postgres from 'postgres'
import { type Stored, readStored } from './stored.ts'

const run = promisify(execFile)
const script = fileURLToPath(new URL('../support/postgres-with-vector', import.meta.url))

export type StoreKind = 'pglite' | 'postgres'

export interface Server {
  url: string
  /** Ends it as a power cut would, and starts it again. */
  restart(): Promise<void>
  /** Starts it if it has ended. */
  revive(): Promise<void>
  stop(): Promise<void>
}

/** A PostgreSQL of our own with its data in this folder; throws where none is installed. */
export async function startServer(folder: string, options = ''): Promise<Server> {
  let port = ''
  const start = async () => {
    const { stdout } = await run('bash', [script, folder, ...(port ? [port] : [])], { env: { ...process.env, OPTIONS: options } })
    const url = stdout.trim().split('\n').at(-1) as string
    port = new URL(url).port
    return url
  }
  await mkdir(folder, { recursive: true, mode: 0o755 })
  const url = await start()
  return {
    url,
    async restart() {
      const [pid] = (await readFile(join(folder, 'data/postmaster.pid'), 'utf8')).split('\n')
      process.kill(Number(pid), 'SIGQUIT') // what pg_ctl calls an immediate stop
      while (await isThere(pid as string)) await new Promise((resolve) => setTimeout(resolve, 10))
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

/** A disk in memory of so many megabytes, for a test that fills it. */
export interface Disk {
  folder: string
  fill(): Promise<void>
  clear(): Promise<void>
  unmount(): Promise<void>
}

/** Throws where this machine does not let us mount. */
async function mountDisk(folder: string, megabytes: number): Promise<Disk> {
  await mkdir(folder, { recursive: true })
  await run('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=755`, 'tmpfs', folder])
  const ballast = join(folder, 'ballast')
  return {
    folder,
    async fill() {
      for (let bytes = 1_048_576; bytes >= 4_096; ) {
        const { bavail, bsize } = await statfs(folder)
        if (bavail * bsize === 0) return
        await appendFile(ballast, Buffer.alloc(Math.min(bytes, bavail * bsize))).catch(() => {
          bytes /= 4 // somebody else took what was left
        })
      }
    },
    clear: () => rm(ballast, { force: true }),
    unmount: async () => void (await run('umount', ['-l', folder])),
  }
}

/** Where one world keeps what it has been told. */
export interface Ground {
  settings: Record<string, string>
  read(): Promise<Stored>
  /** Ends it; `keep` leaves the data where somebody can look into it. */
  remove(keep?: boolean): Promise<void>
  /** Ours to break. */
  server?: Server
  disk?: Disk
}

/** Why a fault cannot be made to happen here. */
export class Impossible extends Error {}

interface Plot {
  /** The server for everybody; undefined for the embedded store. */
  url: string | undefined
  /** What is going to be broken, and so must be nobody else's. */
  breaks: 'server' | 'disk' | undefined
}

/** Lays the ground for a world, or throws `Impossible`. */
export async function layGround(folder: string, { url, breaks }: Plot): Promise<Ground> {
  if (!breaks) return url ? serverGround(url) : embeddedGround(folder)
  const disk = breaks === 'disk' ? await mountDisk(join(folder, 'disk'), 256).catch(refuse('no small disk can be mounted here')) : undefined
  const home = disk?.folder ?? folder
  const small = '-c min_wal_size=32MB -c max_wal_size=64MB'
  const server = url
    ? await startServer(join(home, 'server'), disk ? small : '').catch(async (error) => {
        await disk?.unmount()
        return refuse('no server of our own can be started')(error)
      })
    : undefined
  const ground = await (server ? serverGround(server.url) : embeddedGround(home))
  return {
    ...ground,
    ...(server && { server }),
    ...(disk && { disk }),
    async remove(keep = false) {
      await server?.stop()
      if (disk && keep) await cp(disk.folder, `${disk.folder}.kept`, { recursive: true })
      await disk?.unmount()
    },
  }
}

const refuse = (what: string) => (error: Error & { stderr?: string }) => {
  throw new Impossible(`${what}: ${(error.stderr || error.message).trim().split('\n')[0]}`)
}

async function embeddedGround(folder: string): Promise<Ground> {
  const dataDir = join(folder, 'data')
  return {
    settings: { DATA_DIR: dataDir },
    read: () => readStored({ dataDir }),
    remove: async (keep) => void (keep || (await rm(dataDir, { recursive: true, force: true }))),
  }
}

export async function serverGround(url: string): Promise<Ground> {
  const name = `nexus_chaos_${randomBytes(6).toString('hex')}`
  const ask = async (query: (sql: postgres.Sql) => Promise<unknown>) => {
    const sql = postgres(url, { max: 1, onnotice() {} })
    await query(sql).finally(() => sql.end())
  }
  await ask((sql) => sql`create database ${sql(name)}`)
  const own = new URL(url)
  own.pathname = name
  return {
    settings: { DATABASE_URL: own.href },
    read: () => readStored({ url: own.href }),
    remove: async (keep) => void (keep || (await ask((sql) => sql`drop database ${sql(name)} with (force)`))),
  }
}

/** Leaves a note for whoever looks into a folder that was kept. */
export const leaveNote = (folder: string, text: string) => writeFile(join(folder, 'README.txt'), text)
