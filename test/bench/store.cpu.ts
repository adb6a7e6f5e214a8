/** What the PostgreSQL server itself works, where it runs on this machine: a figure that does not depend on how busy the machine is. */
import { readdir, readFile } from 'node:fs/promises'
import type { Database } from '../../sql/database.ts'

const TICK = 10_000 // µs, as Linux counts them everywhere that Node runs

interface Stat {
  parent: number
  own: number
  /** Of children that have ended. */
  ended: number
}

async function statOf(pid: number): Promise<Stat | undefined> {
  const line = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined)
  if (line === undefined) return undefined
  const fields = line
    .slice(line.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number)
  return {
    parent: fields[1] as number,
    own: (fields[11] as number) + (fields[12] as number),
    ended: (fields[13] as number) + (fields[14] as number),
  }
}

/** µs of CPU that the server with all its processes has used so far; undefined where it cannot be seen. */
export async function serverCpu({ sql }: Database): Promise<number | undefined> {
  const [{ pid }] = await sql<[{ pid: number }]>`select pg_backend_pid() as pid`
  const backend = await statOf(pid)
  const server = backend && (await statOf(backend.parent))
  if (!server) return undefined
  let ticks = server.own + server.ended
  for (const name of await readdir('/proc')) {
    const one = /^\d+$/.test(name) ? await statOf(Number(name)) : undefined
    if (one?.parent === backend.parent) ticks += one.own
  }
  return ticks * TICK
}
