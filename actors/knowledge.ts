/** What a tenant knows, ready to be asked. One index a tenant, built when first needed and again when its documents change. */
import { createHash } from 'node:crypto'
import type { Database } from '../sql/database.ts'
import { type StoredChunk, keepDocument, knowledgeMark, readChunks } from '../sql/knowledge.ts'
import { type Index, createIndex } from './bm25.ts'
import { chunksOf } from './chunk.ts'
import type { Passage } from './models/model.ts'

export interface Knowledge {
  /** The passages that fit best, the best first; none when what they share with the question is next to nothing. */
  search(tenant: string, question: string, most?: number): Promise<Passage[]>
  /** Takes a Markdown document in, in place of its former self. */
  add(tenant: string, document: { kb: string; externalId: string; title: string; content: string }): Promise<boolean>
}

const CHUNKS = 20_000
/** Milliseconds for which an index is used without asking whether the documents changed. */
const FRESH = 2_000

export function createKnowledge(db: Database, clock: () => number): Knowledge {
  const known = new Map<string, { mark: string; asked: number; index: Index<StoredChunk> }>()

  async function indexOf(tenant: string): Promise<Index<StoredChunk>> {
    const before = known.get(tenant)
    if (before && clock() - before.asked < FRESH) return before.index
    const mark = await knowledgeMark(db, tenant)
    const index =
      before?.mark === mark
        ? before.index
        : createIndex(
            (await readChunks(db, tenant, CHUNKS)).map((chunk) => ({ item: chunk, text: `${headingsOf(chunk.title)}\n${chunk.content}` })),
          )
    known.set(tenant, { mark, asked: clock(), index })
    return index
  }

  return {
    async search(tenant, question, most = 4) {
      const found = (await indexOf(tenant)).search(question, most)
      return found.map(({ item: { id, title, content }, score }) => ({ id, title, text: content, quote: content.slice(0, 280), score }))
    },
    async add(tenant, { kb, externalId, title, content }) {
      const chunks = chunksOf(title, content)
      // With the pieces, so that another title or a better knife counts as a change.
      const checksum = createHash('sha256')
        .update(JSON.stringify([content, chunks]))
        .digest('hex')
      const isNew = await keepDocument(db, tenant, { kb, externalId, title, content, checksum, chunks })
      if (isNew) known.delete(tenant)
      return isNew
    },
  }
}

/** Every piece of a document bears its name; only the one before the first heading is about it. */
const headingsOf = (title: string) => title.split(' › ').slice(1).join(' ') || title
