/** One JSON line an event; people at a terminal get a readable one. Secrets never reach a line. */
import { pino } from 'pino'

export interface Log {
  debug(what: object, sentence: string): void
  info(what: object, sentence: string): void
  warn(what: object, sentence: string): void
  error(what: object, sentence: string): void
}

export const silent: Log = { debug() {}, info() {}, warn() {}, error() {} }

const redact = ['*.apiKey', '*.token', '*.password', 'headers.authorization', 'headers["x-api-key"]', 'headers.cookie']

export const createLog = ({ level, pretty }: { level: string; pretty: boolean }): Log =>
  pretty ? plainLog(level) : pino({ level, redact, base: null, timestamp: pino.stdTimeFunctions.isoTime })

const levels = ['debug', 'info', 'warn', 'error'] as const

/** For a terminal: time, level, sentence, and what matters of the rest. */
function plainLog(level: string): Log {
  const least = Math.max(0, levels.indexOf(level as 'info'))
  const write = (name: (typeof levels)[number], what: object, sentence: string) => {
    if (levels.indexOf(name) < least) return
    const rest = Object.entries(what).filter(([, value]) => value !== undefined)
    const shown = rest.map(
      ([key, value]) => `${key}=${value instanceof Error ? value.stack : typeof value === 'object' ? JSON.stringify(value) : value}`,
    )
    const mark = { debug: '·', info: ' ', warn: '!', error: '✗' }[name]
    process.stderr.write(`${new Date().toTimeString().slice(0, 8)} ${mark} ${sentence}${shown.length ? `  ${shown.join(' ')}` : ''}\n`)
  }
  return {
    debug: (what, sentence) => write('debug', what, sentence),
    info: (what, sentence) => write('info', what, sentence),
    warn: (what, sentence) => write('warn', what, sentence),
    error: (what, sentence) => write('error', what, sentence),
  }
}
