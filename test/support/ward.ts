/** Hearts on one real store: each test takes as many as it wants, and what it leaves behind is cleared away. */
import type { uvu } from 'uvu'
import type { Database } from '../../sql/database.ts'
import { readAsTenant } from '../../sql/tenant.ts'
import { demo, keepTenant } from '../../sql/tenants.ts'
import { type Heart, type Needs, createHeart, tenant } from './heart.ts'
import type { Opened, Variant } from './postgres.ts'
import { endLife } from './ownership.ts'
import { freshStore } from './store.ts'
import { until } from './until.ts'
import { within } from './within.ts'

export function ward(test: uvu.Test<Record<string, unknown>>, variant: Variant) {
  let store: Opened
  let names = 0
  const db = (): Database => store.db
  const chat = () => `c${++names}`
  const hearts: Heart[] = []
  const crashed: Heart[] = []

  async function heart(needs: Partial<Needs> = {}): Promise<Heart> {
    for (const { life } of crashed.splice(0)) await endLife(db(), life)
    const made = createHeart({ db: db(), ...needs })
    hearts.push(made)
    await within(10_000, made.engine.start(), 'the start')
    return made
  }

  const rows = <T>(table: 'effects' | 'timers' | 'journal' | 'inbox' | 'dead_letters' | 'chunks', actor: string): Promise<readonly T[]> =>
    readAsTenant(db(), tenant, (sql) => sql<never[]>`select * from ${sql(table)} where actor = ${actor}`) as never
  const messages = (conversation: string) =>
    readAsTenant(
      db(),
      tenant,
      (sql) =>
        sql<
          { role: string; text: string; seq: number }[]
        >`select role, text, seq from messages where conversation = ${conversation} order by seq`,
    )
  const replies = async (conversation: string) =>
    (await messages(conversation)).filter(({ role }) => role === 'assistant').map(({ text }) => text)
  const finished = (conversation: string, count = 1) => until(async () => (await replies(conversation)).length >= count, `${count} replies`)
  const crash = (one: Heart) => {
    one.engine.runner.abandon()
    one.engine.host.close()
    crashed.push(one)
  }

  test.before(async () => {
    store = await within(60_000, freshStore(variant), 'the store')
    await keepTenant(db(), demo)
  })
  test.after.each(async () => {
    for (const one of hearts) await within(5_000, one.engine.stop(0), 'the end')
    hearts.length = 0
    // What a test leaves behind must not be adopted by the next.
    for (const table of ['effects', 'timers', 'inbox', 'actors']) await readAsTenant(db(), tenant, (sql) => sql`delete from ${sql(table)}`)
  })
  test.after(() => within(10_000, store.close(), 'closing'))

  return { db, chat, heart, hearts, rows, messages, replies, finished, crash }
}
