/** What a caller is told of a fault: a refusal as it is, a store that is away as such, and anything else only as ours. */
import { Refusal } from '../../machines/refusal.ts'
import type { Log } from '../watch/log.ts'

/** Names of the driver and of the network for a connection that is not there, and PostgreSQL's classes for the same. */
const away = /^(CONNECTION_\w+|CONNECT_TIMEOUT|ECONN\w+|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|08\w{3}|53\w{3}|57P0[1-5])$/

/** Faults are logged here; refusals are nobody's fault. */
export function refusing(error: unknown, log: Log, where: object): Refusal {
  if (error instanceof Refusal) return error
  if (away.test(String((error as { code?: unknown }).code))) {
    log.warn({ err: error, ...where }, 'the store did not answer a request')
    return new Refusal('store.unavailable')
  }
  log.error({ err: error, ...where }, 'a request failed')
  return new Refusal('internal.error')
}
