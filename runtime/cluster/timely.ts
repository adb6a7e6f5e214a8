import type { Clock } from '../host/clock.ts'

/** The work, or an error once it has taken so many milliseconds. */
export async function timely<T>(clock: Pick<Clock, 'after'>, ms: number, work: Promise<T>): Promise<T> {
  let takeBack = () => {}
  const late = new Promise<never>((_, reject) => {
    takeBack = clock.after(ms, () => reject(new Error(`no answer within ${ms} ms`)))
  })
  return Promise.race([work, late]).finally(() => takeBack())
}
