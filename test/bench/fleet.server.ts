/** The whole program as an operator starts it, by its settings, with a look at how it fares. */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { readConfig } from '../../runtime/config.ts'
import { startSystem } from '../../runtime/system.ts'
import { createLog } from '../../runtime/watch/log.ts'
import { atEnd, cpu, serve } from './worker.ts'

// Nothing of the developer's own settings.
const config = readConfig(JSON.parse(process.env.BENCH_SETTINGS as string) as Record<string, string>)
const system = await startSystem(config, createLog({ level: config.logLevel, pretty: true }))
atEnd(() => system.stop())
/** Milliseconds between two looks at the clock, which the histogram counts in. */
const NOTCH = 10
const delay = monitorEventLoopDelay({ resolution: NOTCH })

serve({
  url: () => system.url.replace('localhost', '127.0.0.1'),
  cpu,
  /** Milliseconds by which the loop was late since the last time. */
  lag: () => {
    const told = { p99: delay.percentile(99) / 1e6 - NOTCH, most: delay.max / 1e6 - NOTCH }
    delay.disable()
    delay.reset()
    delay.enable()
    return told
  },
})
