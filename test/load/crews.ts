/** Crews in processes of their own, so that one core's worth of clients is not the limit. */
import { startWorker } from '../bench/worker.ts'
import type { Crew, Plan } from './crew.ts'

export async function startCrews(plan: Plan, of: number): Promise<{ crews: Crew[]; end(): Promise<void> }> {
  const workers = Array.from({ length: of }, () => startWorker(import.meta.resolve('./crew.worker.ts')))
  await Promise.all(workers.map((worker, index) => worker.ask('gather', { plan, index, of })))
  const crews = workers.map(
    ({ ask }): Crew => ({
      connect: () => ask('connect'),
      speak: (at) => ask('speak', at),
      settle: () => ask('settle'),
      stop: () => ask('stop'),
      progress: () => ask('progress'),
      close: () => ask('close'),
    }),
  )
  return {
    crews,
    async end() {
      await Promise.all(workers.map((worker) => worker.close()))
    },
  }
}
