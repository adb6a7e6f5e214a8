/** Durable steps at 64 busy conversations, against what pgbench reaches with the bare fenced statement. */
import type { Benchmark, Row } from './bench.ts'
import { serverCpu } from './store.cpu.ts'
import { openGround, populate, reset, sample, tenant } from './store.ground.ts'
import { pagesTouched } from './store.pages.ts'
import { pgbench } from './store.pgbench.ts'
import { commits, type Run, steps } from './store.steps.ts'

const BUSY = 64
/** Of what pgbench reaches: the pace that whole steps are asked to keep, at which their time is looked at. */
const PACE = 0.3

export const store: Benchmark = {
  name: 'store',
  about: `durable steps at ${BUSY} busy conversations, fsync as the server has it; bare: pgbench with one fenced statement a step`,
  needsServer: true,
  async run({ short, databaseUrl }) {
    const [rounds, seconds] = short ? [1, 1] : [5, 4]
    const ground = await openGround(databaseUrl, short ? 1_000 : 200_000)
    const bare: number[] = []
    const worked = { ours: [] as number[], bare: [] as number[] }
    const path: Run[] = []
    const whole: Run[] = []
    const paced: Run[] = []
    try {
      const { db } = ground
      for (let round = short ? 0 : -1; round < rounds; round++) {
        await reset(db)
        await populate(db, 'bare', BUSY)
        const idle = await serverCpu(db)
        const figure = await pgbench({ url: ground.url as string, tenant, actor: 'bare', clients: BUSY, seconds, ...sample })
        const byBare = ((await serverCpu(db)) ?? Number.NaN) - (idle ?? 0)
        await reset(db)
        const before = await serverCpu(db)
        const one = await commits(db, BUSY, seconds)
        const byOurs = ((await serverCpu(db)) ?? Number.NaN) - (before ?? 0)
        await reset(db)
        const other = await steps(db, BUSY, seconds)
        await reset(db)
        const atPace = await steps(db, BUSY, seconds, PACE * figure)
        if (round < 0) continue
        bare.push(figure)
        path.push(one)
        whole.push(other)
        paced.push(atPace)
        if (Number.isNaN(byBare + byOurs)) continue // it runs on another machine
        worked.bare.push(byBare / (figure * seconds))
        worked.ours.push(byOurs / (one.rate * seconds))
      }
      await reset(db)
    } finally {
      await ground.close()
    }
    const rows: Row[] = [
      { what: 'the commit path alone', unit: '/s', ours: path.map(({ rate }) => rate), bare, bar: { of: 'ratio', least: 1.2 } },
      ...(worked.ours.length > 0 ? [{ what: 'CPU of the server for a step', unit: 'µs', ...worked }] : []),
      { what: 'whole steps, host included', unit: '/s', ours: whole.map(({ rate }) => rate), bare, bar: { of: 'ratio', least: PACE } },
      {
        what: '… at that rate, p99',
        unit: 'ms',
        ours: whole.map(({ p99 }) => p99),
        note: `as fast as they can, ${BUSY} wait for each other: ${BUSY} through the rate is the mean, whatever the program`,
      },
      { what: `a whole step at ${PACE} × pgbench, p50`, unit: 'ms', ours: paced.map(({ p50 }) => p50) },
      { what: `a whole step at ${PACE} × pgbench, p99`, unit: 'ms', ours: paced.map(({ p99 }) => p99), bar: { of: 'ours', most: 15 } },
    ]
    return [...rows, ...(await embeddedRows(short)), ...(await pagesTouched(databaseUrl, short))]
  },
}

async function embeddedRows(short: boolean): Promise<Row[]> {
  const ground = await openGround(undefined, 1_000)
  try {
    const [rounds, seconds] = short ? [1, 1] : [3, 3]
    const path: number[] = []
    const whole: number[] = []
    for (let round = short ? 0 : -1; round < rounds; round++) {
      await reset(ground.db)
      const one = await commits(ground.db, BUSY, seconds)
      await reset(ground.db)
      const other = await steps(ground.db, BUSY, seconds)
      if (round < 0) continue
      path.push(one.rate)
      whole.push(other.rate)
    }
    return [
      { what: 'embedded: the commit path alone', unit: '/s', ours: path },
      { what: 'embedded: whole steps', unit: '/s', ours: whole },
    ]
  } finally {
    await ground.close()
  }
}
