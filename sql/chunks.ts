import type { Database } from './database.ts'
import { readAsTenant } from './tenant.ts'

export interface Chunk {
  tenant: string
  actor: string
  turn: string
  attempt: number
  /** UTF-16 units from the start of the attempt. */
  start: number
  text: string
  /** The piece of work that says it. */
  work?: string | undefined
}

/** Keeps pieces of many streams at once, but for work that another life has by now; a piece kept before does no harm. */
export async function keepChunks({ sql }: Database, chunks: Chunk[], life: string): Promise<void> {
  await sql`select keep_chunks(${sql.json(chunks as never)}, ${life})`
}

/** What was said aloud in an attempt, as far as it was kept without a gap. */
export async function spokenText(db: Database, tenant: string, actor: string, turn: string, attempt: number): Promise<string> {
  const rows = await readAsTenant(
    db,
    tenant,
    (sql) => sql<{ start: number; text: string }[]>`
      select "offset" as start, text from chunks
      where actor = ${actor} and turn = ${turn} and attempt = ${attempt}
      order by "offset"
    `,
  )
  const parts: string[] = []
  let length = 0
  for (const { start, text } of rows) {
    if (start !== length) break
    parts.push(text)
    length += text.length
  }
  return parts.join('')
}

/** Once a reply stands as a message its pieces have no reader left. */
export async function forgetChunks({ sql }: Database, tenant: string, actor: string, turn: string): Promise<void> {
  await sql`select forget_chunks(${tenant}, ${actor}, ${turn})`
}

/** Removes pieces whose turn is over and that nobody removed then, of all tenants; returns how many. */
export async function sweepChunks({ sql }: Database, most = 10_000): Promise<number> {
  const [row] = await sql<{ swept: number }[]>`select sweep_chunks(${most}) as swept`
  return row?.swept ?? 0
}
