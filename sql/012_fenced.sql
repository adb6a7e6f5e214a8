-- What actors do, fenced by the epochs of their shards, and what waits in them. 011_cluster.sql has the shards.
alter table effects
  add column claim_life text, -- null: given back, for whoever comes first
  add column kept jsonb; -- what whoever does it has kept for the next to go on with
create index effects_life on effects (claim_life);
alter table inbox add column shard smallint;
drop index inbox_waiting;
create index inbox_waiting on inbox (shard, seq) where applied_version is null;

-- These run with the rights of this role, whoever calls them, and we alone may.
create procedure run_as(role name, functions regprocedure[]) language plpgsql as $$
declare
  f regprocedure;
begin
  execute format('grant create on schema %I to %I', current_schema(), role);
  foreach f in array functions loop
    execute format('revoke all on function %s from public', f);
    execute format('alter function %s security definer', f);
    execute format('alter function %s set search_path = %I, pg_temp', f, current_schema());
    execute format('alter function %s owner to %I', f, role);
    execute format('grant execute on function %s to %I', f, current_user);
  end loop;
  execute format('revoke create on schema %I from %I', current_schema(), role);
end
$$;

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
returns table (tenant_id uuid, actor text, id text, src text, input jsonb, kept jsonb, attempt int)
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
  returning e.tenant_id, e.actor, e.id, e.src, e.input, e.kept, e.attempt;
end
$$;

-- Keeps something with work that this life does, for whoever has to go on with it.
create function keep_for_next(tenant uuid, wanted text, work text, by_life text, what jsonb)
returns void language sql security definer set search_path from current as $$
  update effects e set kept = what where e.tenant_id = tenant and e.actor = wanted and e.id = work and e.claim_life = by_life
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

do $$
declare
  f regprocedure;
  inboxes regprocedure[] := array[
    'keep_envelope(uuid, text, smallint, text, jsonb, int)', 'waiting_for(uuid, text, smallint, int)', 'fate_of(uuid, text, text)',
    'drop_envelope(uuid, text, text)'
  ];
  steps regprocedure[] := array[
    'commit_steps(jsonb, text, text, smallint[])', 'waiting_actors(smallint[], int)', 'due_timers(timestamptz, int, smallint[])',
    'next_timer(timestamptz, smallint[])', 'adopt_effects(smallint[], bigint[], text, text, int)',
    'keep_for_next(uuid, text, text, text, jsonb)', 'stray_effects(text, smallint[])', 'release_effects(text, uuid[], text[], text[])'
  ];
begin
  foreach f in array inboxes || steps loop
    execute format('alter function %s set plan_cache_mode = force_generic_plan', f);
    execute format('alter function %s set enable_seqscan = off', f);
  end loop;
  foreach f in array inboxes loop
    execute format('alter function %s set app.tenant = %L', f, '');
    execute format('alter function %s set enable_bitmapscan = off', f);
  end loop;
  -- As in 006_plans.sql.
  f := 'commit_steps(jsonb, text, text, smallint[])';
  execute format('alter function %s set enable_hashjoin = off', f);
  execute format('alter function %s set enable_mergejoin = off', f);
  execute format('alter function %s set lock_timeout = %L', f, '200ms');
  call run_as('nexus_app', inboxes);
  call run_as('nexus_writer', steps);
end
$$;
