-- Who talks to us and what was said. Every table below carries tenant_id and is invisible without `app.tenant`:
-- forgetting a `where` returns nothing, never too much.
create table conversations (
  tenant_id uuid not null,
  id text not null,
  owner text not null,
  channel text not null,
  bot text,
  title text,
  state text not null default 'automated',
  attention text not null default 'automated',
  seq bigint not null default 0,
  cleared_seq bigint not null default 0, -- what was said up to here is no longer history
  created_at timestamptz not null default now(),
  last_at timestamptz not null default now(),
  primary key (tenant_id, id)
) with (fillfactor = 80);
create index conversations_id on conversations (id);
create index conversations_recent on conversations (tenant_id, last_at desc);

-- Whether another tenant has begun a conversation of this id; nothing else is told.
create function is_taken_elsewhere(tenant uuid, wanted text)
returns boolean language sql stable security definer set search_path from current as $$
  select exists (select from conversations c where c.id = wanted and c.tenant_id <> tenant)
$$;

-- Everything a watcher was told that has a number; numbered without gaps per conversation.
create table events (
  tenant_id uuid not null,
  conversation text not null,
  seq bigint not null,
  name text not null,
  payload jsonb not null,
  at timestamptz not null,
  primary key (tenant_id, conversation, seq)
);

create table messages (
  tenant_id uuid not null,
  conversation text not null,
  seq bigint not null,
  id text not null,
  role text not null,
  text text not null,
  parts jsonb,
  turn text,
  agent text,
  citations jsonb,
  at bigint not null,
  primary key (tenant_id, conversation, seq),
  unique (tenant_id, conversation, id)
);

create table usage (
  id bigserial primary key,
  tenant_id uuid not null,
  conversation text not null,
  turn text not null,
  agent text not null,
  provider text not null,
  model text not null,
  tokens_in int not null,
  tokens_out int not null,
  tokens_cached int not null default 0,
  estimated boolean not null default false,
  cost numeric, -- null: no price is known, which is not zero
  ms int not null,
  ok boolean not null,
  at timestamptz not null default now()
);
create index usage_recent on usage (tenant_id, at desc);
create index usage_turn on usage (tenant_id, conversation, turn);

-- One number for all tenants and nodes: unique without a lock that conversations would queue for.
create sequence work_order_numbers;
create table work_orders (
  tenant_id uuid not null,
  conversation text not null,
  turn text not null,
  number text not null unique,
  status text not null,
  owner text not null,
  intent text,
  difficulty text,
  retries int not null default 0,
  error text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  completed_at timestamptz,
  primary key (tenant_id, conversation, turn)
);
create index work_orders_recent on work_orders (tenant_id, created_at desc);

call guard(array['conversations', 'events', 'messages', 'usage', 'work_orders']);
call entrust(array['conversations', 'events', 'messages', 'usage', 'work_orders']);
grant usage on sequence usage_id_seq, work_order_numbers to nexus_app, nexus_writer;
