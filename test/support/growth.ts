const ROUNDS = 6
/** What four times as much may cost: four times by a straight line, sixteen by a square. */
const MOST = 8
/** Below this a figure is the clock's and the compiler's. */
const NOTHING = 5 // ms

/** Whether the CPU time of some work grows about as its input does, as far as `size`: a machine that is slow or busy
 *  changes what the work costs, but not how it grows. The least of several rounds counts, since all else only adds. */
export async function growsAsItsInput(work: (size: number) => unknown, size: number): Promise<{ ok: boolean; said: string }> {
  const quarter = Math.ceil(size / 4)
  await work(quarter) // the compiler's
  let [less, more] = [Infinity, Infinity]
  const fine = () => more < NOTHING || more <= MOST * less
  for (let round = 0; round < ROUNDS && (round === 0 || !fine()); round++) {
    less = Math.min(less, await cost(() => work(quarter)))
    more = Math.min(more, await cost(() => work(size)))
  }
  return { ok: fine(), said: `${quarter}: ${less.toFixed(1)} ms, ${size}: ${more.toFixed(1)} ms` }
}

async function cost(work: () => unknown): Promise<number> {
  const began = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(began)
  return (user + system) / 1_000
}
