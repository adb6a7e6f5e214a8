/** `npm run load`: many sockets, an open loop of messages, and a witness that checks every word. `--help` tells the rest. */
import { appendFile, writeFile } from 'node:fs/promises'
import { comparisonOf, readReport } from './compare.ts'
import { startCrews } from './crews.ts'
import { follow } from './live.ts'
import { Misuse } from './misuse.ts'
import { type Wish, help, list, readOptions } from './options.ts'
import { fitted, probe, readLimits } from './preflight.ts'
import { type Run, conduct } from './run.ts'
import { tableOf } from './table.ts'
import { missedBy } from './thresholds.ts'

async function main(wish: Wish): Promise<number> {
  if (wish.do === 'run') return await load(wish)
  if (wish.do === 'compare') console.log(comparisonOf(await readReport(wish.files[0]), await readReport(wish.files[1])))
  else console.log(wish.do === 'help' ? help : list)
  return 0
}

async function load({ plan: asked, workers, json, thresholds }: Extract<Wish, { do: 'run' }>): Promise<number> {
  const plan = fitted(asked, workers, readLimits())
  if (json)
    await appendFile(json, '').catch((error: Error) => {
      throw new Misuse(`--json ${json} cannot be written: ${error.message}`)
    })
  for (const url of plan.urls) await probe(url, plan.token)
  const { crews, end } = await startCrews(plan, workers)
  try {
    const run = conduct(crews, plan, workers)
    const over = follow(run, process.stderr)
    obey(run)
    const report = await run.done.finally(over)
    if (json) await writeFile(json, `${JSON.stringify(report, null, 2)}\n`)
    console.log(tableOf(report))
    const missed = missedBy(report, thresholds)
    for (const { text, found } of missed)
      console.log(`\n  missed: ${text} (${found === undefined ? 'nothing was measured' : `it is ${found}`})`)
    return missed.length > 0 ? 1 : 0
  } finally {
    await end()
  }
}

/** The first Ctrl-C ends the speaking, the second the waiting, the third everything. */
function obey(run: Run) {
  let times = 0
  process.on('SIGINT', () => {
    if (++times > 2) process.exit(130)
    process.stderr.write(times === 1 ? '\nNothing more is said; what is under way may end. Ctrl-C again does not wait for it.\n' : '\n')
    void run.stop().catch(() => {}) // the crews are gone: the run itself says so
  })
}

try {
  process.exitCode = await main(readOptions(process.argv.slice(2)))
} catch (error) {
  console.error(error instanceof Misuse ? error.message : error)
  process.exitCode = error instanceof Misuse ? 2 : 1
}
