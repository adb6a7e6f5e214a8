/** What is told of a run: rows that belong together as one, and the whole story of the first thing that went wrong. */
import type { Talk } from './journal.ts'
import type { Stored } from './stored.ts'
import type { Row } from './table.ts'
import type { Tally } from './verdict.ts'
import { leaveNote } from './ground.ts'

interface Story {
  talks: readonly Talk[]
  stored: Stored
  home: string
  /** The arguments that make the same choices again. */
  again: string
}

/** What went wrong, with the whole story of the first conversation that it went wrong for: what was said, heard and stored. */
export async function tell({ violations }: Row, { talks, stored, home, again }: Story) {
  for (const { promise, conversation, what } of violations.slice(0, 20))
    console.log(`  ${promise}: ${what}${conversation && ` (${conversation})`}`)
  const first = violations.find(({ conversation }) => conversation)?.conversation
  const talk = talks.find(({ conversation }) => conversation === first)
  if (talk) {
    console.log(`  the journal of ${talk.conversation}, ${talk.door}:`)
    for (const entry of talk.entries.slice(-60)) console.log(`    ${JSON.stringify(entry).slice(0, 240)}`)
    console.log('  stored:')
    for (const event of stored.events.filter(({ conversation }) => conversation === first).slice(-40))
      console.log(`    ${JSON.stringify(event).slice(0, 240)}`)
  }
  const command = `npm run chaos -- ${again}`
  await leaveNote(
    home,
    `${violations.map((one) => JSON.stringify(one)).join('\n')}\n\nThe seed fixes the choices and not the timing: ${command}\n`,
  )
  console.log(`  the choices of this run again: ${command}`)
}

export function add(rows: Map<string, Row>, row: Row) {
  const key = `${row.store} ${row.scenario}`
  const before = rows.get(key)
  if (!before) return void rows.set(key, row)
  before.faults += row.faults
  before.violations.push(...row.violations)
  before.recoveries.push(...row.recoveries)
  before.back.push(...row.back)
  for (const [what, times] of Object.entries(row.what)) before.what[what] = (before.what[what] ?? 0) + times
  before.tally = Object.fromEntries(
    Object.entries(before.tally).map(([name, value]) => [name, value + row.tally[name as keyof Tally]]),
  ) as unknown as Tally
}
