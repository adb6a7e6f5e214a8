/** Workers that play seeds side by side. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Order, Report } from './worker.ts'

export interface Worker {
  /** One order at a time. Rejects when the worker dies or a promise in it was left alone. */
  ask<R extends Report['report']>(order: Order, report: R): Promise<Extract<Report, { report: R }>>
  end(): void
}

/** Starts a worker of the project in this folder. */
export async function hire(root: string): Promise<Worker> {
  const child: ChildProcess = fork(join(root, 'test/sim/worker.ts'), {
    cwd: root,
    // Most of what a world makes is gone a moment later; threads that help to clear it away, or to compile, take the core of the world
    // beside it, and the embedded PostgreSQL compiled once and for good is a tenth faster than what it becomes by and by.
    execArgv: ['--max-semi-space-size=16', '--single-threaded', '--no-liftoff', '--import', 'tsx'],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  let complaints = ''
  child.stderr?.on('data', (bytes: Buffer) => {
    complaints = (complaints + bytes.toString()).slice(-2_000)
  })
  let heard: ((report: Report) => void) | undefined
  let broke: ((why: Error) => void) | undefined
  child.on('message', (report: Report) => {
    if (report.report === 'broken') broke?.(new Error(`seed ${report.seed} left a promise alone: ${report.error}`))
    else heard?.(report)
  })
  child.on('exit', (code) => broke?.(new Error(`a worker ended with ${code}${complaints && `:\n${complaints}`}`)))
  const next = () =>
    new Promise<Report>((resolve, reject) => {
      heard = resolve
      broke = reject
    })
  await next()
  return {
    async ask(order, report) {
      const answer = next()
      child.send(order)
      const told = await answer
      if (told.report !== report) throw new Error(`a worker answered ${told.report} instead of ${report}`)
      return told as Extract<Report, { report: typeof report }>
    },
    end() {
      broke = undefined
      child.kill('SIGKILL')
      void once(child, 'exit')
    },
  }
}
