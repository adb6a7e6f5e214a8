import type { Database } from '../../sql/database.ts'

/** Nobody says five hundred things in a test: the log of a conversation is made so many events longer in the store, as another node would. */
export async function lengthen({ sql }: Database, conversation: string, events: number): Promise<void> {
  await sql`
    insert into events (tenant_id, conversation, seq, name, payload, at)
    select c.tenant_id, c.id, c.seq + n, 'message.amended', '{"id":"x","text":"y"}', now()
    from conversations c, generate_series(1, ${events}::int) n where c.id = ${conversation}
  `
  await sql`update conversations set seq = seq + ${events} where id = ${conversation}`
  await sql`
    update actors set version = version + 1, tree = tree || jsonb_build_object('v', version + 1, 'seq', (tree ->> 'seq')::int + ${events}::int)
    where id = ${conversation}
  `
}
