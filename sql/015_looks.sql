-- What a node looks for again and again, each in one question. `held`: its shards; null: every one, as a list of them all costs more
-- than the look.

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

-- What nobody else would look after: actors of these shards for whom something waits, at most so many and none of those that the caller
-- knows, however much waits for them; whether any work of theirs is left behind, by a life that is over or that gave it back; and the
-- work under this life's name. Work whose end waits has been done.
create function look_after(held smallint[], by_life text, most int, tenants uuid[], actors text[])
returns table (what text, tenant_id uuid, actor text, id text)
language plpgsql stable security definer set search_path from current as $$
begin
  return query
  -- From one life to the next through the index of them, and through it to their work (`offset 0` leaves the planner no other way): of
  -- all that is under way only what is left behind is read, and of that as little as tells whether any is ours.
  with recursive lives(life) as (
    select min(e.claim_life) from effects e
    union all
    select (select min(e.claim_life) from effects e where e.claim_life > l.life) from lives l where l.life is not null
  )
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
    select 'left', null, null, null from (
      select w.tenant_id, w.actor, w.id from lives l,
        lateral (select e.tenant_id, e.actor, e.id from effects e where e.claim_life = l.life offset 0) w
      where not exists (select from nodes n where n.life = l.life)
      union all
      select e.tenant_id, e.actor, e.id from effects e where e.claim_life is null
    ) e
    where case
      when held is null or (select a.shard from actors a where a.tenant_id = e.tenant_id and a.id = e.actor) = any(held)
      then not has_end_waiting(e.tenant_id, e.actor, e.id)
    end
    limit 1
  )
  union all
  select 'claimed', e.tenant_id, e.actor, e.id from effects e
  where e.claim_life = by_life and not has_end_waiting(e.tenant_id, e.actor, e.id);
end
$$;

do $$
declare
  f regprocedure;
  looks regprocedure[] := array['look_for_timers(timestamptz, int, smallint[])', 'look_after(smallint[], text, int, uuid[], text[])'];
begin
  foreach f in array looks loop
    execute format('alter function %s set plan_cache_mode = force_generic_plan', f);
    execute format('alter function %s set enable_seqscan = off', f);
    execute format('alter function %s set jit = off', f); -- compiling would take a hundred times as long as a look
  end loop;
  call run_as('nexus_writer', looks);
end
$$;

-- due_timers, next_timer, waiting_actors and stray_effects stay for nodes of the version before, while one after the other is replaced.
