/** What the tutorial keeps: a row for the question and a row for the answer, in the same kind of store that ours uses. */
import { variantAt } from '../support/postgres.ts'
import { atEnd } from './worker.ts'

export async function openRows(): Promise<{ keep(conversation: string, role: 'user' | 'assistant', text: string): Promise<void> }> {
  const store = await variantAt(process.env.BENCH_DATABASE_URL).open()
  atEnd(store.close)
  const { sql } = store.db
  await sql`
    create table tutorial_messages (id bigint generated always as identity primary key, conversation text, role text, text text, at timestamptz default now())
  `
  return {
    async keep(conversation, role, text) {
      await sql`insert into tutorial_messages (conversation, role, text) values (${conversation}, ${role}, ${text})`
    },
  }
}
