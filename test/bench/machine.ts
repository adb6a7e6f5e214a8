/** Where figures come from: without it they mean nothing to anybody else. */
import { execFileSync } from 'node:child_process'
import { cpus, loadavg, release, totalmem, type } from 'node:os'
import { fileURLToPath } from 'node:url'

export interface Machine {
  cpu: string
  cores: number
  memoryGb: number
  kernel: string
  node: string
  /** The servers that were used, where any were. */
  postgres?: string
  redis?: string
  /** Commit, with a + when files were changed since. */
  commit: string
  /** Of one minute, before the first benchmark. */
  load: number
}

const root = fileURLToPath(new URL('../..', import.meta.url))

export const thisMachine = (postgres?: string, redis?: string): Machine => ({
  cpu: cpus()[0]?.model.trim() ?? 'unknown',
  cores: cpus().length,
  memoryGb: Math.round(totalmem() / 2 ** 30),
  kernel: `${type()} ${release()}`,
  node: process.version,
  ...(postgres && { postgres }),
  ...(redis && { redis }),
  commit: commit(),
  load: Math.round((loadavg()[0] ?? 0) * 100) / 100,
})

function commit(): string {
  try {
    const git = (...command: string[]) =>
      execFileSync('git', command, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
    return `${git('rev-parse', '--short', 'HEAD')}${git('status', '--porcelain', '--untracked-files=no') ? '+' : ''}`
  } catch {
    return 'unknown' // an archive without its history
  }
}
