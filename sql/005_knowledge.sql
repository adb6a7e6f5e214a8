-- What a tenant knows: documents, cut into chunks that an answer can quote.
create table rag_documents (
  tenant_id uuid not null,
  id uuid not null,
  kb_name text not null,
  external_id text,
  title text not null,
  content text not null,
  checksum text not null,
  metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  primary key (tenant_id, id),
  unique (tenant_id, kb_name, external_id)
);

create table rag_chunks (
  tenant_id uuid not null,
  document_id uuid not null,
  chunk_index int not null,
  kb_name text not null,
  title text not null, -- the document's and the headings' above the chunk
  content text not null,
  metadata jsonb not null default '{}',
  primary key (tenant_id, document_id, chunk_index)
);

call guard(array['rag_documents', 'rag_chunks']);
