/** Where a run works: a folder, and everything that would outlive it if nobody ended it. */
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { serverGround } from './ground.ts'
import { Unusable } from './options.ts'
import { startServer } from './server.ts'

export interface Workshop {
  folder: string
  /** What is to be ended whatever happens, the last first. */
  closers: (() => Promise<unknown>)[]
  /** The folder stays. */
  keep(): void
  close(): Promise<void>
}

export async function openWorkshop(keeps: boolean): Promise<Workshop> {
  const folder = await mkdtemp(join(tmpdir(), 'nexus-chaos-'))
  await chmod(folder, 0o755) // PostgreSQL does not run as root, and its own user must reach its data
  let kept = keeps
  const workshop: Workshop = {
    folder,
    closers: [],
    keep() {
      kept = true
    },
    async close() {
      for (const one of workshop.closers.splice(0).reverse()) await one().catch((error: Error) => console.error(error.message))
      if (kept) console.log(`\nThe data is kept in ${folder}`)
      else await rm(folder, { recursive: true, force: true })
    },
  }
  // Servers and mounts would outlive a process that is interrupted.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void workshop.close().finally(() => process.exit(130)))
  return workshop
}

/** The server for everybody: the one that is named, or one of our own. */
export async function serverOf(database: string | undefined, { folder, closers }: Workshop): Promise<string> {
  if (database) {
    const ground = await serverGround(database).catch((error: Error) => {
      throw new Unusable(`PostgreSQL at ${new URL(database).host} cannot be used: ${error.message || (error as { code?: string }).code}`)
    })
    await ground.remove()
    return database
  }
  const server = await startServer(join(folder, 'postgres')).catch((error: Error & { stderr?: string }) => {
    throw new Unusable(
      `There is no PostgreSQL: set TEST_DATABASE_URL or --database, install PostgreSQL 15 so that one can be started, or choose --store pglite (${(error.stderr || error.message).trim().split('\n').at(-1)}).`,
    )
  })
  closers.push(() => server.stop())
  return server.url
}

/** Whoever comes second finds it done. */
export function once<A>(work: (argument: A) => Promise<void>): (argument: A) => Promise<void> {
  let done: Promise<void> | undefined
  return (argument) => (done ??= work(argument))
}
