/** Where a world stands: a folder or a database of its own, on a server that may be ours to break, on a disk that may be small. */
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { appendFile, cp, mkdir, rm, statfs, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import postgres from 'postgres'
import { type Server, startServer } from './server.ts'
import { type Pair, startPair } from './standby.ts'
import { type Stored, readStored } from './stored.ts'

const run = promisify(execFile)

export type StoreKind = 'pglite' | 'postgres'

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
  pair?: Pair
}

/** What is going to be broken, and so must be nobody else's: a server, the disk that it stands on, or a server that has a standby. */
export type Breakable = 'server' | 'disk' | 'primary'

/** Why a fault cannot be made to happen here. */
export class Impossible extends Error {}

interface Plot {
  /** The server for everybody; undefined for the embedded store. */
  url: string | undefined
  breaks: Breakable | undefined
}

/** Lays the ground for a world, or throws `Impossible`. */
export async function layGround(folder: string, { url, breaks }: Plot): Promise<Ground> {
  if (!breaks) return url ? serverGround(url) : embeddedGround(folder)
  if (breaks === 'primary') return pairGround(folder)
  const disk = breaks === 'disk' ? await mountDisk(join(folder, 'disk'), 256).catch(refuse('no small disk can be mounted here')) : undefined
  const home = disk?.folder ?? folder
  const small = '-c min_wal_size=32MB -c max_wal_size=64MB'
  const server = url
    ? await startServer(join(home, 'server'), disk && { options: small }).catch(async (error) => {
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

async function pairGround(folder: string): Promise<Ground> {
  const pair = await startPair(folder).catch(refuse('no server of our own can be started'))
  const ground = await serverGround(pair.url).catch(async (error) => {
    await pair.stop()
    throw error
  })
  return { ...ground, pair, remove: () => pair.stop() }
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
