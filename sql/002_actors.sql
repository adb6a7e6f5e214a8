-- The durable things and what they wait for. An actor is one tree of snapshots; it moves by fenced steps and by nothing else.
create table actors (
  tenant_id uuid not null,
  id text not null,
  kind text not null,
  shard smallint not null,
  version bigint not null,
  epoch bigint not null default 0,
  machine_version int not null,
  tree jsonb not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, id)
) with (fillfactor = 80); -- each step rewrites its row; room on the page keeps the update in place

create index actors_version on actors (kind, machine_version); -- start refuses a version without a path

-- What came from outside, once. The journal has the content of what was applied; here only the key is left.
create table inbox (
  seq bigserial,
  tenant_id uuid not null,
  actor text not null,
  dedup_key text not null,
  envelope jsonb, -- with the birth of an actor that is not there yet
  applied_version bigint,
  attempts int not null default 0,
  received_at timestamptz not null default now(),
  primary key (tenant_id, actor, dedup_key)
);
create index inbox_waiting on inbox (seq) where applied_version is null;

-- Every step there ever was, with the clock it was given: fold it to see any version again.
create table journal (
  tenant_id uuid not null,
  actor text not null,
  version bigint not null,
  envelope jsonb not null,
  machine_version int not null,
  now bigint not null,
  node text not null,
  primary key (tenant_id, actor, version)
);

-- Work that a step asked for and that has not ended. A row that is gone was answered or is no longer wanted.
create table effects (
  tenant_id uuid not null,
  actor text not null,
  id text not null,
  addr text not null,
  src text not null,
  input jsonb,
  attempt int not null default 1,
  claim_node text not null,
  claimed_at timestamptz not null default now(),
  primary key (tenant_id, actor, id)
);
create index effects_claim on effects (claim_node);

create table timers (
  tenant_id uuid not null,
  actor text not null,
  id text not null,
  shard smallint not null,
  fire_at timestamptz not null,
  primary key (tenant_id, actor, id)
);
create index timers_due on timers (fire_at);

-- Text on its way out, for whoever comes back in mid-stream. "offset" counts UTF-16 units from the start of the attempt.
create table chunks (
  tenant_id uuid not null,
  actor text not null,
  turn text not null,
  attempt int not null,
  "offset" int not null,
  text text not null,
  primary key (tenant_id, actor, turn, attempt, "offset")
);

-- Set aside after three tries, with the reason; the rest of the mailbox went on.
create table dead_letters (
  id bigserial primary key,
  tenant_id uuid not null,
  actor text not null,
  dedup_key text,
  envelope jsonb not null,
  error text not null,
  at timestamptz not null default now()
);

create table nodes (
  node text primary key,
  started_at timestamptz not null default now(),
  lock_key bigint not null
);

call guard(array['actors', 'inbox', 'journal', 'effects', 'timers', 'chunks', 'dead_letters']);
call entrust(array['actors', 'inbox', 'journal', 'effects', 'timers', 'chunks', 'dead_letters']);
grant select on nodes to nexus_writer; -- whose work is whose
grant usage on sequence inbox_seq_seq, dead_letters_id_seq to nexus_app, nexus_writer;
