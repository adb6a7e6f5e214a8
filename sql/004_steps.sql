-- The fenced step: many conversations advance by one version each, in one statement and one round trip.
--
-- Whoever runs a step read its actor at some version and holds some epoch of its shard. `moved` and `born` are the gate: they
-- let in only that version and no newer epoch, and every other part reads from the gate. A row that does not come back was
-- fenced: its copy is stale, and nothing of it happened.
--
-- Three traps. Data-modifying CTEs run whether or not anybody reads them, so each must select from `gate`. All parts see the
-- same snapshot and may touch a row once, so cancels and disarms come by id. And the insert into `inbox` has no `on conflict do
-- nothing`: beside the gate it would apply an event twice that another node stored a moment ago; the conflict breaks the whole
-- statement, and the caller sends its steps again one by one.
create function commit_steps(steps jsonb, by_node text)
returns table (n int, outcome text) language plpgsql security definer set search_path from current as $$
begin
  return query
  with s as materialized (
    select * from jsonb_to_recordset(steps) as s(
      n int, tenant uuid, actor text, kind text, shard smallint, version bigint, epoch bigint, machine int, tree jsonb,
      dedup text, pending boolean, envelope jsonb, now bigint, done text,
      calls jsonb, cancels jsonb, timers jsonb, disarms jsonb, emits jsonb, usage jsonb, orders jsonb, about jsonb
    )
  ), known as (
    select s.n from s join inbox i on i.tenant_id = s.tenant and i.actor = s.actor and i.dedup_key = s.dedup
    where s.dedup is not null and not (s.pending and i.applied_version is null)
  ), moved as (
    update actors a
    set version = s.version + 1, epoch = s.epoch, machine_version = s.machine, tree = s.tree, updated_at = now()
    from s
    where a.tenant_id = s.tenant and a.id = s.actor and a.version = s.version and a.epoch <= s.epoch
      and s.version > 0 and s.n not in (select known.n from known)
    returning s.n
  ), born as (
    insert into actors (tenant_id, id, kind, shard, version, epoch, machine_version, tree)
    select s.tenant, s.actor, s.kind, s.shard, 1, s.epoch, s.machine, s.tree from s
    where s.version = 0 and s.n not in (select known.n from known)
    on conflict do nothing
    returning tenant_id, id
  ), gate as materialized (
    select s.* from s where s.n in (select moved.n from moved)
      or (s.version = 0 and exists (select from born where born.tenant_id = s.tenant and born.id = s.actor))
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
    insert into effects (tenant_id, actor, id, addr, src, input, claim_node)
    select gate.tenant, gate.actor, c.id, c.addr, c.src, c.input, by_node
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
      'WO-' || to_char(now(), 'YYYYMMDD') || '-' || lpad(nextval('work_order_numbers')::text, 4, '0'),
      o.status, o.owner, o.intent, o.difficulty, coalesce(o.retries, 0), o.error, null
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
  select known.n, 'duplicate' from known;
end
$$;

-- What is due, across tenants: ids only. The content is then read through the tenant door.
create function due_timers(until timestamptz, most int)
returns table (tenant_id uuid, actor text, id text) language sql stable security definer set search_path from current as $$
  select t.tenant_id, t.actor, t.id from timers t where t.fire_at <= until order by t.fire_at limit most
$$;

create function next_timer(later_than timestamptz)
returns timestamptz language sql stable security definer set search_path from current as $$
  select min(fire_at) from timers where fire_at > later_than
$$;

-- Takes over the work of nodes that are gone. Each row is handed out to one caller.
create function adopt_effects(gone text[], by_node text, most int)
returns table (tenant_id uuid, actor text, id text, src text, attempt int)
language sql security definer set search_path from current as $$
  update effects e set claim_node = by_node, attempt = e.attempt + 1, claimed_at = now()
  from (
    select x.tenant_id, x.actor, x.id from effects x
    where x.claim_node = any(gone) or (x.claim_node <> by_node and x.claim_node not in (select k.node from nodes k))
    order by x.claimed_at limit most
    for update skip locked
  ) o
  where e.tenant_id = o.tenant_id and e.actor = o.actor and e.id = o.id
  returning e.tenant_id, e.actor, e.id, e.src, e.attempt
$$;

-- Accepted and not yet applied, oldest first.
create function waiting_envelopes(most int)
returns table (tenant_id uuid, actor text, dedup_key text) language sql stable security definer set search_path from current as $$
  select i.tenant_id, i.actor, i.dedup_key from inbox i where i.applied_version is null order by i.seq limit most
$$;

create function machine_versions()
returns table (kind text, machine_version int, actors bigint) language sql stable security definer set search_path from current as $$
  select a.kind, a.machine_version, count(*) from actors a group by 1, 2
$$;

create function work_left()
returns table (effects bigint, timers bigint, inbox bigint, dead_letters bigint)
language sql stable security definer set search_path from current as $$
  select (select count(*) from effects), (select count(*) from timers),
    (select count(*) from inbox where applied_version is null), (select count(*) from dead_letters)
$$;

-- Many streams share one insert.
create function keep_chunks(rows jsonb)
returns void language sql security definer set search_path from current as $$
  insert into chunks (tenant_id, actor, turn, attempt, "offset", text)
  select c.tenant, c.actor, c.turn, c.attempt, c.start, c.text
  from jsonb_to_recordset(rows) as c(tenant uuid, actor text, turn text, attempt int, start int, text text)
  on conflict do nothing
$$;

do $$
declare
  f regprocedure;
begin
  foreach f in array array[
    'commit_steps(jsonb, text)', 'due_timers(timestamptz, int)', 'next_timer(timestamptz)', 'adopt_effects(text[], text, int)',
    'waiting_envelopes(int)', 'machine_versions()', 'work_left()', 'keep_chunks(jsonb)', 'find_api_key(text)',
    'is_taken_elsewhere(uuid, text)'
  ]::regprocedure[] loop
    execute format('revoke all on function %s from public', f);
    execute format('grant execute on function %s to %I', f, current_user);
    execute format('grant create on schema %I to nexus_writer', current_schema());
    -- Temporary tables are searched first unless named last: nobody may shadow ours.
    execute format('alter function %s set search_path = %I, pg_temp', f, current_schema());
    execute format('alter function %s owner to nexus_writer', f);
    execute format('revoke create on schema %I from nexus_writer', current_schema());
    execute format('grant execute on function %s to %I', f, current_user);
  end loop;
end
$$;
