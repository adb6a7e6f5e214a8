import type { Database } from './database.ts'
import { asTenant, readAsTenant } from './tenant.ts'

export interface StoredChunk {
  id: string
  title: string
  content: string
}

/** Puts a document in the place of its former self. False when nothing changed. */
export const keepDocument = (
  db: Database,
  tenant: string,
  document: {
    kb: string
    externalId: string
    title: string
    content: string
    checksum: string
    chunks: { title: string; content: string }[]
  },
): Promise<boolean> =>
  asTenant(db, tenant, async (sql) => {
    const { kb, externalId, title, content, checksum, chunks } = document
    const [same] = await sql`select from rag_documents where kb_name = ${kb} and external_id = ${externalId} and checksum = ${checksum}`
    if (same) return false
    const [row] = await sql<{ id: string }[]>`
      insert into rag_documents (tenant_id, id, kb_name, external_id, title, content, checksum)
      values (${tenant}, gen_random_uuid(), ${kb}, ${externalId}, ${title}, ${content}, ${checksum})
      on conflict (tenant_id, kb_name, external_id)
      do update set title = excluded.title, content = excluded.content, checksum = excluded.checksum, created_at = now()
      returning id
    `
    const { id } = row as { id: string }
    await sql`delete from rag_chunks where document_id = ${id}`
    await sql`
      insert into rag_chunks (tenant_id, document_id, chunk_index, kb_name, title, content)
      select ${tenant}, ${id}, c.ordinality - 1, ${kb}, c.title, c.content
      from unnest(${chunks.map((chunk) => chunk.title)}::text[], ${chunks.map((chunk) => chunk.content)}::text[])
        with ordinality as c(title, content, ordinality)
    `
    return true
  })

/** What changes whenever a tenant's knowledge does. */
export async function knowledgeMark(db: Database, tenant: string): Promise<string> {
  const [row] = await readAsTenant(
    db,
    tenant,
    (sql) => sql<{ mark: string }[]>`select coalesce(max(created_at)::text, '') || ' ' || count(*) as mark from rag_documents`,
  )
  return row?.mark ?? ''
}

export const readChunks = (db: Database, tenant: string, most: number): Promise<StoredChunk[]> =>
  readAsTenant(
    db,
    tenant,
    (sql) => sql<StoredChunk[]>`
      select document_id || ':' || chunk_index as id, title, content from rag_chunks order by document_id, chunk_index limit ${most}
    `,
  )
