/** Reads the settings, starts the system, stops on a signal. */
import { WrongSettings, configOfProcess } from './config.ts'
import { openStore } from './store.ts'
import { createLog } from './watch/log.ts'

const isTerminal = process.stderr.isTTY
/** Milliseconds in which signals count as one: a terminal and systemd signal the whole group, and `npm start` passes its own on to us. */
const ECHO = 1_000

try {
  const config = configOfProcess()
  const log = createLog({ level: config.logLevel, pretty: (config.logFormat ?? (isTerminal ? 'plain' : 'json')) === 'plain' })
  // The store opens while the rest of the program is loaded: each takes about half of a start.
  const opening = openStore(config, log)
  const [{ startSystem }, { modelsLine }] = await Promise.all([import('./system.ts'), import('./models.ts')])
  const system = await startSystem(config, log, opening)
  const store =
    system.db.kind === 'pglite'
      ? `embedded store in ${config.dataDir} (safe against a killed process, not against a power cut)`
      : 'PostgreSQL'
  process.stdout.write(`Nexus is ready: open ${system.url}  ·  models: ${modelsLine(system.models)}  ·  ${store}\n`)
  if (config.environment === 'development' && !config.apiKey)
    log.info({}, 'no API_KEY is configured: every request without a credential acts as the owner of the tenant demo (development only)')
  if (Number(process.versions.node.split('.')[0]) < 22) log.warn({}, 'Node 20 is out of support since April 2026; Node 24 is recommended')

  let asked: number | undefined
  const stop = (signal: string) => {
    const now = performance.now()
    if (asked !== undefined) {
      if (now - asked < ECHO) return
      process.exit(1) // asked twice: now
    }
    asked = now
    log.info({ signal }, 'stopping: no new work, running replies may end')
    system.stop().then(
      () => process.exit(0),
      (error) => {
        log.error({ err: error }, 'could not stop cleanly')
        process.exit(1)
      },
    )
  }
  void system.lost.then((why) => {
    if (asked !== undefined) return
    log.error({ err: why }, 'the store is lost: this process ends, so that whoever watches it starts it anew')
    process.exit(1)
  })
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
} catch (error) {
  const { constructor, message, stack } = error as Error
  // A plain error is a sentence for the operator. Anything else is a fault of ours and shows where it happened.
  process.stderr.write(`${constructor === Error || error instanceof WrongSettings ? message : stack}\n`)
  process.exit(1)
}
