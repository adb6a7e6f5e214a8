/** Keeps a folder for one process. PGlite does not do it: two processes that opened the same folder lost rows.
 *  The lock is a file that only one can create, and says who did. A killed process leaves it behind; the next one sees
 *  that its maker is gone, even if another program has been given the same pid, and takes over. */
import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { readFile, readlink, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'

export interface Lock {
  release(): Promise<void>
  /** Resolves if somebody took the folder away from us: stop writing at once. */
  lost: Promise<Error>
}

/** Milliseconds. Where a pid tells nothing (another container, another host), a living holder is known by its beat. */
export interface Rhythm {
  beat: number
  watch: number
}

interface Holder {
  token: string
  pid: number
  /** When the process began, in whatever form the system tells; distinguishes two that had the same pid. */
  started: string
  /** Which start of the machine. */
  boot: string
  /** Which container: a pid means something only inside. */
  space: string
  host: string
}

/** Locks, or throws a sentence that names the process that has it. */
export async function lockFolder(folder: string, rhythm: Rhythm = { beat: 2_000, watch: 10_000 }): Promise<Lock> {
  const path = join(folder, 'lock')
  const token = await claim(path, folder, rhythm)
  let report: (why: Error) => void
  const lost = new Promise<Error>((resolve) => {
    report = resolve
  })
  const beating = setInterval(async () => {
    const holder = await read(path).catch(() => undefined) // unreadable for a moment is not lost
    if (holder?.token === token)
      await utimes(path, new Date(), new Date()).catch(() => {}) // the next beat comes soon
    else if (holder) report(new Error(`the data folder ${folder} was taken over by ${describe(holder)}`))
  }, rhythm.beat).unref()
  return {
    lost,
    async release() {
      clearInterval(beating)
      if ((await read(path))?.token === token) await rm(path, { force: true })
    },
  }
}

async function claim(path: string, folder: string, rhythm: Rhythm): Promise<string> {
  for (;;) {
    const token = await create(path)
    if (token) return token
    const theirs = await read(path)
    if (!theirs) continue // released in this very moment
    if (await isAlive(theirs, path, rhythm)) {
      throw new Error(`the data folder ${folder} is in use by ${describe(theirs)}: stop it, or choose another folder`)
    }
    // Two may find the same leftover. Only the one that locks this name may remove it, and only while it is still there:
    // otherwise the slower one would remove the new lock of the faster one.
    const heir = `${path}.${theirs.token}`
    await claim(heir, folder, rhythm)
    try {
      if ((await read(path))?.token === theirs.token) await rm(path)
    } finally {
      await rm(heir, { force: true })
    }
  }
}

async function create(path: string): Promise<string | undefined> {
  const me = await self()
  try {
    await writeFile(path, JSON.stringify(me), { flag: 'wx' })
  } catch (why) {
    if ((why as NodeJS.ErrnoException).code === 'EEXIST') return undefined
    throw why
  }
  return (await read(path))?.token === me.token ? me.token : undefined
}

/** Undefined if there is none. One without sense was left by a process that died between creating and writing it. */
async function read(path: string): Promise<Holder | undefined> {
  for (let tries = 0; ; tries++) {
    try {
      const text = await readFile(path, 'utf8')
      if (text.endsWith('}')) return JSON.parse(text) as Holder
      if (tries < 20) await pause(50)
      else return { token: String((await stat(path)).ino), pid: 0, started: '', boot: '', space: '', host: '' }
    } catch (why) {
      if ((why as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw why
    }
  }
}

async function isAlive(holder: Holder, path: string, { beat, watch }: Rhythm): Promise<boolean> {
  if (!holder.pid) return false
  const me = await self()
  if (holder.space !== me.space) return isBeating(path, beat, watch)
  return holder.boot === me.boot && holder.started === (await startOf(holder.pid))
}

/** Watched rather than compared with our clock, which need not be theirs. */
async function isBeating(path: string, beat: number, watch: number): Promise<boolean> {
  const touched = () =>
    stat(path).then(
      ({ mtimeMs }) => mtimeMs,
      () => undefined,
    )
  const first = await touched()
  for (let waited = 0; waited < watch; waited += beat / 4) {
    await pause(beat / 4)
    if ((await touched()) !== first) return true
  }
  return false
}

const self = async (): Promise<Holder> => ({
  token: randomUUID(),
  pid: process.pid,
  started: (await startOf(process.pid)) ?? '',
  boot: await readFile('/proc/sys/kernel/random/boot_id', 'utf8').then(
    (id) => id.trim(),
    () => '',
  ),
  space: `${hostname()} ${await readlink('/proc/self/ns/pid').catch(() => '')}`,
  host: hostname(),
})

/** When a process began, undefined if there is none. */
async function startOf(pid: number): Promise<string | undefined> {
  if (process.platform === 'linux') {
    const status = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined)
    // The name in brackets may contain anything; after it come the state and, as the 20th, the start.
    const fields = status?.slice(status.lastIndexOf(')') + 2).split(' ')
    return fields && !'ZX'.includes(fields[0]!) ? fields[19] : undefined // a zombie opens no files
  }
  if (process.platform === 'win32') return isThere(pid) ? 'unknown' : undefined
  return promisify(execFile)('ps', ['-o', 'lstart=', '-p', String(pid)]).then(
    ({ stdout }) => stdout.trim(),
    () => undefined,
  )
}

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (why) {
    return (why as NodeJS.ErrnoException).code === 'EPERM' // it is there and belongs to somebody else
  }
}

const describe = ({ pid, host }: Holder): string => `process ${pid}${host === hostname() ? '' : ` on ${host}`}`
