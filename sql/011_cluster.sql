-- Who runs what. An actor lives in one of 1,024 shards. A shard has one owner at a time and a number, its epoch, that only ever
-- grows: whoever takes a shard over counts it up, and from that moment nothing that the owner before sends is taken.
--
-- A node is a process and a life is one run of it: a node that starts again owes nothing to the work of its life before. It lives
-- while its row is here and its last beat is younger than the lease; a neighbour that finds it dead deletes the row.
create table cluster (
  one boolean primary key default true check (one),
  id uuid not null default gen_random_uuid(), -- names what is ours in a Redis that others use as well
  secret text not null default replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), -- signs letters between nodes
  shards int not null
);

delete from nodes; -- of a program that knew no lives; what they did counts as left behind
alter table nodes
  add column life text not null unique,
  add column beat_at timestamptz not null default now(),
  add column draining boolean not null default false,
  add column machines jsonb not null, -- which version of which machine it knows
  add column version text not null,
  add column application text, -- the name of its connections, to see whether any is left
  add column url text;

create table shards (
  shard smallint primary key,
  name text unique, -- of a job that must run once
  epoch bigint not null default 0,
  node text,
  life text, -- of the owner; that of nobody who lives: it is free
  machines jsonb not null default '{}', -- the newest version of each machine that was ever stored here
  moved_at timestamptz not null default now()
);

insert into cluster (shards) values (1024);
insert into shards (shard) select generate_series(0, 1023);

alter table effects add column claim_life text; -- null: given back, for whoever comes first
create index effects_life on effects (claim_life);
alter table inbox add column shard smallint;
drop index inbox_waiting;
create index inbox_waiting on inbox (shard, seq) where applied_version is null;

grant select on nodes, shards to nexus_writer, nexus_app;
grant update on shards to nexus_writer;

-- The lock of a shard: shared by all who commit to it, alone for whoever takes it over. So a takeover waits for the commits that are
-- under way, and a commit that comes behind it sees the new epoch.
create function shard_lock() returns int language sql immutable as $$ select 72657874 $$;

drop function commit_steps(jsonb, text);

-- As in 004_steps.sql, and fenced by the epochs of the shards. `held` has the shards of the steps in ascending order: two who lock
-- several shards would otherwise wait for each other. An `ousted` step is of an owner whom another has replaced; an event that is
-- `kept` stands in the inbox and has not been applied yet.
create function commit_steps(steps jsonb, by_node text, by_life text, held smallint[])
returns table (n int, outcome text) language plpgsql security definer set search_path from current as $$
begin
  perform pg_advisory_xact_lock_shared(shard_lock(), h) from unnest(held) h;
  return query
  with s as materialized (
    select * from jsonb_to_recordset(steps) as s(
      n int, tenant uuid, actor text, kind text, shard smallint, version bigint, epoch bigint, machine int, tree jsonb,
      dedup text, pending boolean, envelope jsonb, now bigint, done text,
      calls jsonb, cancels jsonb, timers jsonb, disarms jsonb, emits jsonb, usage jsonb, orders jsonb, about jsonb
    )
  ), own as materialized (
    select s.n from s join shards h on h.shard = s.shard where h.epoch = s.epoch
  ), known as (
    select s.n, i.applied_version from s join inbox i on i.tenant_id = s.tenant and i.actor = s.actor and i.dedup_key = s.dedup
    where s.dedup is not null and not (s.pending and i.applied_version is null)
  ), moved as (
    update actors a
    set version = s.version + 1, epoch = s.epoch, machine_version = s.machine, tree = s.tree, updated_at = now()
    from s
    where a.tenant_id = s.tenant and a.id = s.actor and a.version = s.version and a.epoch <= s.epoch
      and s.version > 0 and s.n not in (select known.n from known) and s.n in (select own.n from own)
    returning s.n
  ), born as (
    insert into actors (tenant_id, id, kind, shard, version, epoch, machine_version, tree)
    select s.tenant, s.actor, s.kind, s.shard, 1, s.epoch, s.machine, s.tree from s
    where s.version = 0 and s.n not in (select known.n from known) and s.n in (select own.n from own)
    on conflict do nothing
    returning tenant_id, id
  ), gate as materialized (
    select s.* from s where s.n in (select moved.n from moved)
      or (s.version = 0 and exists (select from born where born.tenant_id = s.tenant and born.id = s.actor))
  ), newer as (
    update shards h set machines = h.machines || jsonb_build_object(k.kind, k.machine)
    from (select gate.shard, gate.kind, max(gate.machine) as machine from gate group by 1, 2) k
    where h.shard = k.shard and coalesce((h.machines ->> k.kind)::int, 0) < k.machine
  ), kept as (
    insert into inbox (tenant_id, actor, dedup_key, applied_version)
    select gate.tenant, gate.actor, gate.dedup, gate.version + 1 from gate where gate.dedup is not null and not gate.pending
  ), taken as (
    update inbox i set applied_version = gate.version + 1, envelope = null from gate
    where gate.pending and i.tenant_id = gate.tenant and i.actor = gate.actor and i.dedup_key = gate.dedup
  ), written as (
    insert into journal (tenant_id, actor, version, envelope, machine_version, now, node)
    select gate.tenant, gate.actor, gate.version + 1, gate.envelope, gate.machine, gate.now, by_node from gate
  ), begun as (
    insert into effects (tenant_id, actor, id, addr, src, input, claim_node, claim_life)
    select gate.tenant, gate.actor, c.id, c.addr, c.src, c.input, by_node, by_life
    from gate, jsonb_to_recordset(gate.calls) as c(id text, addr text, src text, input jsonb)
  ), ended as (
    delete from effects e using gate
    where e.tenant_id = gate.tenant and e.actor = gate.actor and (e.id = gate.done or gate.cancels ? e.id)
  ), armed as (
    insert into timers (tenant_id, actor, id, shard, fire_at)
    select gate.tenant, gate.actor, t.id, gate.shard, to_timestamp(t.at / 1000.0)
    from gate, jsonb_to_recordset(gate.timers) as t(id text, at bigint)
  ), disarmed as (
    delete from timers t using gate where t.tenant_id = gate.tenant and t.actor = gate.actor and gate.disarms ? t.id
  ), told as (
    insert into events (tenant_id, conversation, seq, name, payload, at)
    select gate.tenant, gate.actor, e.seq, e.name, e.payload, to_timestamp(gate.now / 1000.0)
    from gate, jsonb_to_recordset(gate.emits) as e(seq bigint, name text, payload jsonb)
  ), said as (
    insert into messages (tenant_id, conversation, seq, id, role, text, parts, turn, agent, citations, at)
    select gate.tenant, gate.actor, e.seq, m.id, m.role, m.text, m.parts, m.turn, m.agent, m.citations, m.at
    from gate, jsonb_to_recordset(gate.emits) as e(seq bigint, payload jsonb),
      jsonb_to_record(case jsonb_typeof(e.payload -> 'message') when 'object' then e.payload -> 'message' end) as m(
        id text, role text, text text, parts jsonb, turn text, agent text, citations jsonb, at bigint
      )
    where m.id is not null
  ), opened as (
    insert into conversations (tenant_id, id, owner, channel, bot, title, seq)
    select gate.tenant, gate.actor, gate.about ->> 'owner', gate.about ->> 'channel', gate.about ->> 'bot',
      gate.about ->> 'title', (gate.about ->> 'seq')::bigint
    from gate where gate.version = 0 and gate.kind = 'conversation'
  ), touched as (
    update conversations c
    set seq = (gate.about ->> 'seq')::bigint, last_at = now(),
      state = coalesce(gate.about ->> 'state', c.state), attention = coalesce(gate.about ->> 'attention', c.attention),
      title = coalesce(c.title, gate.about ->> 'title'),
      cleared_seq = coalesce((gate.about ->> 'cleared')::bigint, c.cleared_seq)
    from gate
    where gate.version > 0 and gate.kind = 'conversation' and jsonb_array_length(gate.emits) > 0
      and c.tenant_id = gate.tenant and c.id = gate.actor
  ), spent as (
    insert into usage (
      tenant_id, conversation, turn, agent, provider, model, tokens_in, tokens_out, tokens_cached, estimated, cost, ms, ok
    )
    select gate.tenant, gate.actor, u.turn, u.agent, u.provider, u.model, u.tokens_in, u.tokens_out, u.tokens_cached,
      u.estimated, u.cost, u.ms, u.ok
    from gate, jsonb_to_recordset(gate.usage) as u(
      turn text, agent text, provider text, model text, tokens_in int, tokens_out int, tokens_cached int,
      estimated boolean, cost numeric, ms int, ok boolean
    )
  ), ordered as (
    insert into work_orders as w (
      tenant_id, conversation, turn, number, status, owner, intent, difficulty, retries, error, completed_at
    )
    select gate.tenant, gate.actor, o.turn,
      next_order_number(), o.status, o.owner, o.intent, o.difficulty, coalesce(o.retries, 0), o.error, null
    from gate, jsonb_to_recordset(gate.orders) as o(
      turn text, status text, owner text, intent text, difficulty text, retries int, error text, opens boolean
    )
    where o.opens
  ), reordered as (
    update work_orders w
    set status = o.status, owner = o.owner, intent = coalesce(o.intent, w.intent),
      difficulty = coalesce(o.difficulty, w.difficulty), retries = coalesce(o.retries, w.retries), error = o.error,
      updated_at = now(),
      completed_at = case when o.status in ('completed', 'failed', 'cancelled') then now() end
    from gate, jsonb_to_recordset(gate.orders) as o(
      turn text, status text, owner text, intent text, difficulty text, retries int, error text, opens boolean
    )
    where not coalesce(o.opens, false)
      and w.tenant_id = gate.tenant and w.conversation = gate.actor and w.turn = o.turn
  )
  select gate.n, 'done' from gate
  union all
  select known.n, case when known.applied_version is null then 'kept' else 'duplicate' end from known
  union all
  select s.n, 'ousted' from s where s.n not in (select own.n from own) and s.n not in (select known.n from known);
end
$$;

-- Keeps an event for the owner of its actor: whoever accepts it need not be that. 'applied' and 'waiting': we had it already;
-- 'full': so many events wait for this actor that no more are taken.
create function keep_envelope(tenant uuid, wanted text, place smallint, key text, kept jsonb, most int)
returns text language plpgsql as $$
declare
  applied bigint;
begin
  perform set_config('app.tenant', tenant::text, true);
  select i.applied_version into applied from inbox i where i.actor = wanted and i.dedup_key = key;
  if found then return case when applied is null then 'waiting' else 'applied' end; end if;
  if (select count(*) from (select from inbox i where i.shard = place and i.applied_version is null and i.actor = wanted limit most) w) >= most
  then return 'full'; end if;
  insert into inbox (tenant_id, actor, shard, dedup_key, envelope) values (tenant, wanted, place, key, kept) on conflict do nothing;
  return case when found then 'kept' else 'waiting' end;
end
$$;

-- What waits for one actor, in the order in which it came.
create function waiting_for(tenant uuid, wanted text, place smallint, most int)
returns table (dedup_key text, envelope jsonb) language plpgsql as $$
begin
  perform set_config('app.tenant', tenant::text, true);
  return query
  select i.dedup_key, i.envelope from inbox i
  where i.shard = place and i.applied_version is null and i.actor = wanted order by i.seq limit most;
end
$$;

-- What became of an event that was kept: null when it is not here any more.
create function fate_of(tenant uuid, wanted text, key text)
returns text language plpgsql as $$
declare
  fate text;
begin
  perform set_config('app.tenant', tenant::text, true);
  select case when i.applied_version is null then 'waiting' else 'applied' end into fate
  from inbox i where i.actor = wanted and i.dedup_key = key;
  return fate;
end
$$;

-- The actor does not take the event: its key is free again.
create function drop_envelope(tenant uuid, wanted text, key text)
returns void language plpgsql as $$
begin
  perform set_config('app.tenant', tenant::text, true);
  delete from inbox i where i.actor = wanted and i.dedup_key = key and i.applied_version is null;
end
$$;

drop function waiting_envelopes(int);
drop function due_timers(timestamptz, int);
drop function next_timer(timestamptz);
drop function adopt_effects(text[], text, int);

-- For whom something waits in these shards.
create function waiting_actors(held smallint[], most int)
returns table (tenant_id uuid, actor text) language sql stable security definer set search_path from current as $$
  select distinct i.tenant_id, i.actor from (
    select x.tenant_id, x.actor from inbox x where x.shard = any(held) and x.applied_version is null order by x.seq limit most
  ) i
$$;

create function due_timers(until timestamptz, most int, held smallint[])
returns table (tenant_id uuid, actor text, id text) language sql stable security definer set search_path from current as $$
  select t.tenant_id, t.actor, t.id from timers t where t.fire_at <= until and t.shard = any(held) order by t.fire_at limit most
$$;

create function next_timer(later_than timestamptz, held smallint[])
returns timestamptz language sql stable security definer set search_path from current as $$
  select t.fire_at from timers t where t.fire_at > later_than and t.shard = any(held) order by t.fire_at limit 1
$$;

-- Work that is done, and whose end the owner of the actor has yet to hear.
create function has_end_waiting(tenant uuid, wanted text, work text)
returns boolean language sql stable set search_path from current as $$
  select exists (
    select from inbox i where i.tenant_id = tenant and i.actor = wanted and i.dedup_key = 'call:' || work and i.applied_version is null
  )
$$;
grant execute on function has_end_waiting(uuid, text, text) to nexus_writer;

-- Takes over work whose life is over, or that was given back, of actors whose shards are ours at these epochs; each row is handed out
-- once. What moves elsewhere meanwhile is left to whoever has it then.
create function adopt_effects(held smallint[], epochs bigint[], by_node text, by_life text, most int)
returns table (tenant_id uuid, actor text, id text, src text, input jsonb, attempt int)
language plpgsql security definer set search_path from current as $$
declare
  found_in smallint[];
begin
  select array_agg(distinct a.shard order by a.shard) into found_in
  from (
    select x.tenant_id, x.actor from effects x
    where x.claim_life is null or not exists (select from nodes k where k.life = x.claim_life)
  ) o join actors a on a.tenant_id = o.tenant_id and a.id = o.actor
  where a.shard = any(held);
  if found_in is null then return; end if;
  perform pg_advisory_xact_lock_shared(shard_lock(), h) from unnest(found_in) h;
  return query
  update effects e set claim_node = by_node, claim_life = by_life, attempt = e.attempt + 1, claimed_at = now()
  from (
    select x.tenant_id, x.actor, x.id from effects x
    join actors a on a.tenant_id = x.tenant_id and a.id = x.actor
    join shards h on h.shard = a.shard
    join unnest(held, epochs) as own(shard, epoch) on own.shard = h.shard and own.epoch = h.epoch
    where (x.claim_life is null or not exists (select from nodes k where k.life = x.claim_life)) and a.shard = any(found_in)
      and not has_end_waiting(x.tenant_id, x.actor, x.id)
    order by x.claimed_at limit most
    for update of x skip locked
  ) o
  where e.tenant_id = o.tenant_id and e.actor = o.actor and e.id = o.id
  returning e.tenant_id, e.actor, e.id, e.src, e.input, e.attempt;
end
$$;

-- Work that stands under this life's name, for actors that live elsewhere.
create function stray_effects(by_life text, held smallint[])
returns table (tenant_id uuid, actor text, id text) language sql stable security definer set search_path from current as $$
  select e.tenant_id, e.actor, e.id from effects e join actors a on a.tenant_id = e.tenant_id and a.id = e.actor
  where e.claim_life = by_life and a.shard <> all(held) and not has_end_waiting(e.tenant_id, e.actor, e.id)
$$;

-- Gives work back that this life does not do any more; without a list, all of it.
create function release_effects(by_life text, tenants uuid[], actors text[], ids text[])
returns bigint language sql security definer set search_path from current as $$
  with given as (
    update effects e set claim_life = null
    where e.claim_life = by_life and (tenants is null or (e.tenant_id, e.actor, e.id) in (select * from unnest(tenants, actors, ids)))
    returning 1
  )
  select count(*) from given
$$;

-- Nodes and shards belong to no tenant; these are for the host alone.

-- The node lives from now on. 'taken': somebody else lives under its name.
create function enter_node(me text, my_life text, key bigint, knows jsonb, program text, address text, connections text, has_lock boolean, lease interval)
returns text language plpgsql as $$
begin
  if not has_lock and exists (select from nodes n where n.node = me and n.life <> my_life and n.beat_at > clock_timestamp() - lease)
  then return 'taken'; end if;
  delete from nodes n where n.node = me;
  insert into nodes (node, life, lock_key, machines, version, url, application, beat_at)
  values (me, my_life, key, knows, program, address, connections, clock_timestamp());
  return 'entered';
end
$$;

-- Lives on for another lease, unless it has run out already: whoever was late has to enter anew, whether or not anybody noticed. The
-- map comes along where its fingerprint is not the one that was seen.
create function beat_node(my_life text, lease interval, seen text)
returns table (
  alive boolean, now float8, nodes json, fingerprint text, epochs bigint[], lives text[], machines json, jobs json
) language plpgsql as $$
declare
  beaten boolean;
  current text;
begin
  update nodes n set beat_at = clock_timestamp() where n.life = my_life and n.beat_at > clock_timestamp() - lease;
  beaten := found;
  -- Taken before the map: what moves in between is seen now, and once more with the next beat.
  select bit_xor(hashtextextended(h.epoch || coalesce(h.life, '') || h.machines::text, h.shard)) into current from shards h;
  return query
  select beaten, extract(epoch from clock_timestamp())::float8 * 1000,
    (
      select json_agg(json_build_object(
        'node', k.node, 'life', k.life, 'draining', k.draining, 'machines', k.machines, 'version', k.version, 'url', k.url,
        'key', k.lock_key, 'age', extract(epoch from clock_timestamp() - k.beat_at)::float8 * 1000
      ) order by k.node) from nodes k
    ),
    current, map.*
  from (select) beat left join lateral (
    select array_agg(h.epoch order by h.shard), array_agg(coalesce(h.life, '') order by h.shard),
      json_object_agg(h.shard, h.machines) filter (where h.machines <> '{}'),
      json_object_agg(h.name, h.shard) filter (where h.name is not null)
    from shards h
  ) map on current is distinct from seen;
end
$$;

-- A life is over: its lock is free and no connection of its process is left, or its lease has run out. False: it is not. A server that
-- has just been started has lost the locks of all; for a while only leases count.
create function bury_node(dead text, by_lock boolean, lease interval)
returns boolean language plpgsql as $$
begin
  delete from nodes n
  where n.life = dead
    and case
      when by_lock then clock_timestamp() - pg_postmaster_start_time() > interval '3 seconds'
        and not exists (select from pg_stat_activity c where c.application_name = n.application and c.datname = current_database())
        and pg_try_advisory_xact_lock(n.lock_key)
      else n.beat_at < clock_timestamp() - lease
    end;
  return found;
end
$$;

-- Gives shards whose owner lives no more to heirs who live, as long as they stand where the caller has seen them.
create function claim_shards(wanted smallint[], seen bigint[], heirs text[])
returns table (shard smallint, epoch bigint, life text) language plpgsql as $$
begin
  perform pg_advisory_xact_lock(shard_lock(), w) from unnest(wanted) w;
  return query
  update shards h set epoch = h.epoch + 1, node = n.node, life = n.life, moved_at = now()
  from unnest(wanted, seen, heirs) as w(shard, epoch, life) join nodes n on n.life = w.life
  where h.shard = w.shard and h.epoch = w.epoch
    and (h.life = w.life or not exists (select from nodes n where n.life = h.life))
  returning h.shard, h.epoch, h.life;
end
$$;

-- The owner gives shards to others that live; one who does not gets nothing, and the shard is free.
create function hand_over_shards(given smallint[], to_lives text[], my_life text)
returns table (shard smallint, epoch bigint, life text) language plpgsql as $$
begin
  perform pg_advisory_xact_lock(shard_lock(), g) from unnest(given) g;
  return query
  update shards h set epoch = h.epoch + 1, node = n.node, life = n.life, moved_at = now()
  from unnest(given, to_lives) as g(shard, life) left join nodes n on n.life = g.life
  where h.shard = g.shard and h.life = my_life
  returning h.shard, h.epoch, coalesce(h.life, '');
end
$$;

-- The shard of a job that must run once: those of actors come first, without a gap.
create function name_job(wanted text)
returns smallint language plpgsql as $$
declare
  place smallint;
begin
  lock table shards in share row exclusive mode;
  insert into shards (shard, name) select max(h.shard) + 1, wanted from shards h on conflict (name) do nothing;
  select h.shard into place from shards h where h.name = wanted;
  return place;
end
$$;

-- Leaves of its own will: what it still has is free.
create function leave_node(my_life text)
returns void language plpgsql as $$
begin
  update shards h set life = null where h.life = my_life;
  delete from nodes n where n.life = my_life;
end
$$;

do $$
declare
  f regprocedure;
begin
  foreach f in array array[
    'keep_envelope(uuid, text, smallint, text, jsonb, int)', 'waiting_for(uuid, text, smallint, int)', 'fate_of(uuid, text, text)',
    'drop_envelope(uuid, text, text)'
  ]::regprocedure[] loop
    execute format('grant create on schema %I to nexus_app', current_schema());
    execute format('revoke all on function %s from public', f);
    execute format('alter function %s security definer', f);
    execute format('alter function %s set search_path = %I, pg_temp', f, current_schema());
    execute format('alter function %s set app.tenant = %L', f, '');
    execute format('alter function %s set plan_cache_mode = force_generic_plan', f);
    execute format('alter function %s set enable_seqscan = off', f);
    execute format('alter function %s set enable_bitmapscan = off', f);
    execute format('alter function %s owner to nexus_app', f);
    execute format('revoke create on schema %I from nexus_app', current_schema());
    execute format('grant execute on function %s to %I', f, current_user);
  end loop;
  foreach f in array array[
    'commit_steps(jsonb, text, text, smallint[])', 'waiting_actors(smallint[], int)', 'due_timers(timestamptz, int, smallint[])',
    'next_timer(timestamptz, smallint[])', 'adopt_effects(smallint[], bigint[], text, text, int)',
    'stray_effects(text, smallint[])', 'release_effects(text, uuid[], text[], text[])'
  ]::regprocedure[] loop
    execute format('revoke all on function %s from public', f);
    execute format('grant create on schema %I to nexus_writer', current_schema());
    execute format('alter function %s set search_path = %I, pg_temp', f, current_schema());
    execute format('alter function %s set plan_cache_mode = force_generic_plan', f);
    execute format('alter function %s set enable_seqscan = off', f);
    execute format('alter function %s owner to nexus_writer', f);
    execute format('revoke create on schema %I from nexus_writer', current_schema());
    execute format('grant execute on function %s to %I', f, current_user);
  end loop;
  -- As in 006_plans.sql.
  f := 'commit_steps(jsonb, text, text, smallint[])';
  execute format('alter function %s set enable_hashjoin = off', f);
  execute format('alter function %s set enable_mergejoin = off', f);
  execute format('alter function %s set lock_timeout = %L', f, '200ms');
end
$$;

-- For an operator, across tenants: what was set aside. A letter that is tried again goes back to where it came from.
create function list_dead_letters(most int)
returns table (id bigint, tenant_id uuid, actor text, envelope jsonb, error text, at timestamptz)
language sql stable security definer set search_path from current as $$
  select d.id, d.tenant_id, d.actor, d.envelope, d.error, d.at from dead_letters d order by d.id desc limit most
$$;

create function retry_dead_letters(wanted bigint[], places smallint[])
returns table (id bigint) language sql security definer set search_path from current as $$
  with gone as (
    delete from dead_letters d using unnest(wanted, places) as w(id, shard) where d.id = w.id
    returning d.id, d.tenant_id, d.actor, d.dedup_key, d.envelope, w.shard
  ), back as (
    insert into inbox (tenant_id, actor, shard, dedup_key, envelope)
    select g.tenant_id, g.actor, g.shard, coalesce(g.dedup_key, 'retried:' || g.id),
      jsonb_build_object('envelope', g.envelope - 'birth') || case when g.envelope ? 'birth' then jsonb_build_object('birth', g.envelope -> 'birth') else '{}' end
    from gone g
    on conflict do nothing
  )
  select gone.id from gone
$$;

-- An operator returns to the program before: trees of the newest version go one version back, while nobody runs them.
create function actors_of_version(of_kind text, of_version int, most int)
returns table (tenant_id uuid, id text, version bigint, tree jsonb) language sql stable security definer set search_path from current as $$
  select a.tenant_id, a.id, a.version, a.tree from actors a where a.kind = of_kind and a.machine_version = of_version limit most
$$;

create function put_back(of_kind text, to_version int, rows jsonb)
returns bigint language sql security definer set search_path from current as $$
  with put as (
    update actors a set tree = r.tree, machine_version = to_version
    from jsonb_to_recordset(rows) as r(tenant uuid, actor text, version bigint, tree jsonb)
    where a.tenant_id = r.tenant and a.id = r.actor and a.version = r.version and a.kind = of_kind
      and not exists (select from nodes n where coalesce((n.machines ->> of_kind)::int, 0) > to_version)
    returning 1
  )
  select count(*) from put
$$;

create function forget_version(of_kind text, to_version int)
returns void language sql security definer set search_path from current as $$
  update shards h set machines = h.machines || jsonb_build_object(of_kind, to_version)
  where (h.machines ->> of_kind)::int > to_version
    and not exists (select from actors a where a.kind = of_kind and a.machine_version > to_version)
$$;

create function count_by_shard()
returns table (shard smallint, actors bigint) language sql stable security definer set search_path from current as $$
  select a.shard, count(*) from actors a group by a.shard
$$;

create function shard_of_actor(wanted text)
returns smallint language sql stable security definer set search_path from current as $$
  select a.shard from actors a join conversations c on c.tenant_id = a.tenant_id and c.id = a.id where c.id = wanted limit 1
$$;

create function drop_dead_letters(wanted bigint[])
returns table (id bigint) language sql security definer set search_path from current as $$
  delete from dead_letters d where d.id = any(wanted) returning d.id
$$;

do $$
declare
  f regprocedure;
begin
  foreach f in array array[
    'list_dead_letters(int)', 'retry_dead_letters(bigint[], smallint[])', 'drop_dead_letters(bigint[])', 'count_by_shard()',
    'shard_of_actor(text)', 'actors_of_version(text, int, int)', 'put_back(text, int, jsonb)', 'forget_version(text, int)'
  ]::regprocedure[] loop
    execute format('revoke all on function %s from public', f);
    execute format('grant create on schema %I to nexus_writer', current_schema());
    execute format('alter function %s set search_path = %I, pg_temp', f, current_schema());
    execute format('alter function %s owner to nexus_writer', f);
    execute format('revoke create on schema %I from nexus_writer', current_schema());
    execute format('grant execute on function %s to %I', f, current_user);
  end loop;
end
$$;
