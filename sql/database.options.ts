/** What both databases ask of postgres.js, so that a row looks the same from either. */
import type postgres from 'postgres'
import { arrays, elements } from './arrays.ts'
import type { Log, Sql } from './database.ts'

const whole = (text: string): number => {
  const number = Number(text)
  if (Number.isSafeInteger(number)) return number
  throw new RangeError(`the bigint ${text} does not fit into a JavaScript number; select it as text`)
}

/** postgres.js 3.4.9 sends its first message at once only if it is long. After a lost connection it must: otherwise it
 *  waits behind a timer that never fires, and the connection never comes back. Our sockets take it out again. */
export const PADDING = 'nexus.padding'

const known = elements(whole)

export const options = {
  fetch_types: false, // arrays.ts
  onnotice() {},
  max_lifetime: null,
  connection: { [PADDING]: '.'.repeat(1024) },
  types: {
    // Counts, sequences and milliseconds are bigint in SQL and plain numbers here.
    bigint: { to: 20, from: [20], parse: whole, serialize: String },
    ...arrays(known),
  },
} satisfies postgres.Options<Record<string, postgres.PostgresType>>

/** Lets `sql.array(flags)` know which array a list of these elements is. Needed for booleans and dates only: a plain
 *  list of them is announced as a single one. The map is public in the code of postgres.js and missing in its types. */
export function withArrays(sql: Sql): Sql {
  const { shared } = sql.options as unknown as { shared: { typeArrayMap: Record<number, number> } }
  for (const { oids } of known) Object.assign(shared.typeArrayMap, Object.fromEntries(oids))
  return sql
}

export const silent: Log = { info() {}, warn() {}, error() {} }
