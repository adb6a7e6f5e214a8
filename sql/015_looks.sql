-- What a node looks for again and again, each in one question. `held`: its shards; null: every one that actors have, as a list of a
-- thousand costs an embedded store more than the look.

-- The timers of these shards that are due, the oldest first and at most so many; and when the first comes due that is not.
create function look_for_timers(until timestamptz, most int, held smallint[])
returns table (tenant_id uuid, actor text, id text, later timestamptz)
language plpgsql stable security definer set search_path from current as $$
begin
  return query (
    select t.tenant_id, t.actor, t.id, null::timestamptz from timers t
    where t.fire_at <= until and (held is null or t.shard = any(held)) order by t.fire_at limit most
  ) union all (
    select null::uuid, null, null, t.fire_at from timers t
    where t.fire_at > until and (held is null or t.shard = any(held)) order by t.fire_at limit 1
  );
end
$$;

-- Work of lives that are over, or that was given back, and where its actors live. From one life to the next through the index of them,
-- and through it to their work (`offset 0` leaves the planner no other way): of all that is under way, only what is left behind is read.
create function left_behind() returns table (tenant_id uuid, actor text, id text, shard smallint) language sql stable as $$
  with recursive lives(life) as (
    select min(e.claim_life) from effects e
    union all
    select (select min(e.claim_life) from effects e where e.claim_life > l.life) from lives l where l.life is not null
  )
  select w.tenant_id, w.actor, w.id, (select a.shard from actors a where a.tenant_id = w.tenant_id and a.id = w.actor)
  from (
    select e.tenant_id, e.actor, e.id from lives l,
      lateral (select x.tenant_id, x.actor, x.id from effects x where x.claim_life = l.life offset 0) e
    where not exists (select from nodes n where n.life = l.life)
    union all
    select e.tenant_id, e.actor, e.id from effects e where e.claim_life is null
  ) w
$$;
grant execute on function left_behind() to nexus_writer;

-- What nobody else would look after: actors of these shards for whom something waits, at most so many and none of those that the caller
-- knows, however much waits for them; whether any work of theirs is left behind; and the work under this life's name, null for none.
-- Work whose end waits has been done.
create function look_after(held smallint[], by_life text, most int, tenants uuid[], actors text[])
returns table (what text, tenant_id uuid, actor text, id text)
language plpgsql stable security definer set search_path from current as $$
begin
  return query
  select distinct 'waiting', i.tenant_id, i.actor, null from (
    select x.tenant_id, x.actor from (
      select w.tenant_id, w.actor, w.seq from inbox w where w.applied_version is null and held is null
      union all
      select w.tenant_id, w.actor, w.seq from inbox w where w.applied_version is null and w.shard = any(held)
    ) x
    where not exists (select from unnest(tenants, actors) as k(tenant, actor) where k.tenant = x.tenant_id and k.actor = x.actor)
    order by x.seq limit most
  ) i
  union all (
    select 'left', null, null, null from left_behind() b
    where case when held is null or b.shard = any(held) then not has_end_waiting(b.tenant_id, b.actor, b.id) end
    limit 1
  )
  union all
  select 'claimed', e.tenant_id, e.actor, e.id from effects e
  where e.claim_life = by_life and not has_end_waiting(e.tenant_id, e.actor, e.id);
end
$$;

-- As in 012_fenced.sql, but it reads what is left behind and nothing else: there the planner could begin with every actor of a shard.
create or replace function adopt_effects(held smallint[], epochs bigint[], by_node text, by_life text, most int)
returns table (tenant_id uuid, actor text, id text, src text, input jsonb, kept jsonb, attempt int)
language plpgsql security definer set search_path from current as $$
declare
  found_in smallint[];
  ours smallint[];
begin
  select array_agg(distinct b.shard order by b.shard) into found_in from left_behind() b where b.shard = any(held);
  if found_in is null then return; end if;
  perform pg_advisory_xact_lock_shared(shard_lock(), h) from unnest(found_in) h;
  -- Nobody takes them over any more until this has happened.
  select array_agg(h.shard) into ours from shards h
  where h.shard = any(found_in) and h.epoch = epochs[array_position(held, h.shard)];
  return query
  update effects e set claim_node = by_node, claim_life = by_life, attempt = e.attempt + 1, claimed_at = now()
  from (
    select x.tenant_id, x.actor, x.id from left_behind() b
    join effects x on x.tenant_id = b.tenant_id and x.actor = b.actor and x.id = b.id
    where b.shard = any(ours)
      -- Asked of the row that is locked: another look of this life may have taken it a moment ago.
      and (x.claim_life is null or not exists (select from nodes n where n.life = x.claim_life))
      and not has_end_waiting(x.tenant_id, x.actor, x.id)
    order by x.claimed_at, x.tenant_id, x.actor, x.id limit most
    for update of x skip locked
  ) o
  where e.tenant_id = o.tenant_id and e.actor = o.actor and e.id = o.id
  returning e.tenant_id, e.actor, e.id, e.src, e.input, e.kept, e.attempt;
end
$$;

do $$
declare
  f regprocedure;
  adopts regprocedure := 'adopt_effects(smallint[], bigint[], text, text, int)';
  looks regprocedure[] := array['look_for_timers(timestamptz, int, smallint[])', 'look_after(smallint[], text, int, uuid[], text[])'];
begin
  foreach f in array looks || adopts loop
    execute format('alter function %s set plan_cache_mode = force_generic_plan', f);
    execute format('alter function %s set enable_seqscan = off', f);
    -- A bitmap reads what is over as often as it is asked; an index remembers that it is.
    execute format('alter function %s set enable_bitmapscan = off', f);
    execute format('alter function %s set jit = off', f); -- compiling would take a hundred times as long as a look
  end loop;
  -- As in 006_plans.sql.
  execute format('alter function %s set enable_hashjoin = off', adopts);
  execute format('alter function %s set enable_mergejoin = off', adopts);
  call run_as('nexus_writer', looks || adopts);
end
$$;

-- due_timers, next_timer, waiting_actors and stray_effects stay for nodes of the version before, while one after the other is replaced.
