-- The rest of what is written for an actor is fenced as its steps are: what a node that has lost it still sends is not taken.

-- Everything that is stored there is of a version that this node knows; `knows` in runtime/cluster/shards.ts is the same.
create function knows_machines(machines jsonb, stored jsonb) returns boolean language sql immutable as $$
  select not exists (select from jsonb_each_text(stored) s where coalesce((machines ->> s.key)::int, 0) < s.value::int)
$$;

-- The locks of these shards, as many of them as can be had in about half a second: a commit that stands still keeps its own shards from
-- their heirs and no others, and whoever asks goes on beating.
create function lock_shards(wanted smallint[]) returns smallint[] language plpgsql as $$
declare
  w smallint;
  had smallint[] := '{}';
  began timestamptz := clock_timestamp();
begin
  foreach w in array wanted loop
    if pg_try_advisory_xact_lock(shard_lock(), w) then had := had || w;
    elsif clock_timestamp() - began < interval '300 milliseconds' then
      begin
        perform pg_advisory_xact_lock(shard_lock(), w);
        had := had || w;
      exception when lock_not_available then null;
      end;
    end if;
  end loop;
  return had;
end
$$;
alter function lock_shards(smallint[]) set lock_timeout = '300ms'; -- far above what a commit takes

-- As in 011_cluster.sql, but for shards whose lock cannot be had now. A version may have been stored since the caller has looked:
-- whoever does not know it gets nothing, and whoever has the shard keeps it.
create or replace function claim_shards(wanted smallint[], seen bigint[], heirs text[])
returns table (shard smallint, epoch bigint, life text) language plpgsql as $$
declare
  had smallint[] := lock_shards(wanted);
begin
  return query
  update shards h set epoch = h.epoch + 1, node = n.node, life = n.life, moved_at = now()
  from unnest(wanted, seen, heirs) as w(shard, epoch, life) join nodes n on n.life = w.life
  where h.shard = w.shard and h.epoch = w.epoch and h.shard = any(had) and knows_machines(n.machines, h.machines)
    and (h.life = w.life or not exists (select from nodes n where n.life = h.life))
  returning h.shard, h.epoch, h.life;
end
$$;

create or replace function hand_over_shards(given smallint[], to_lives text[], my_life text)
returns table (shard smallint, epoch bigint, life text) language plpgsql as $$
declare
  had smallint[] := lock_shards(given);
begin
  return query
  update shards h set epoch = h.epoch + 1, node = g.node, life = g.life, moved_at = now()
  from (
    select w.shard, n.node, n.life from unnest(given, to_lives) as w(shard, life)
    join shards s on s.shard = w.shard
    left join nodes n on n.life = w.life
    where n.life is null or knows_machines(n.machines, s.machines)
  ) g
  where h.shard = g.shard and h.life = my_life and h.shard = any(had)
  returning h.shard, h.epoch, coalesce(h.life, '');
end
$$;

-- For whom something waits in these shards, but for those whom the caller knows already: however much waits for an actor that cannot take
-- it in, the others are found.
create function waiting_actors(held smallint[], most int, tenants uuid[], actors text[])
returns table (tenant_id uuid, actor text) language sql stable security definer set search_path from current as $$
  select distinct i.tenant_id, i.actor from (
    select x.tenant_id, x.actor from inbox x
    where x.shard = any(held) and x.applied_version is null
      and not exists (select from unnest(tenants, actors) as k(tenant, actor) where k.tenant = x.tenant_id and k.actor = x.actor)
    order by x.seq limit most
  ) i
$$;

-- The functions of the same names with fewer arguments stay for nodes of the version before, while one after the other is replaced.

-- Many streams share one insert. Pieces of work that another life has taken over since are left out: it says them itself. Of work that
-- is over the last pieces are taken.
create function keep_chunks(rows jsonb, by_life text)
returns void language sql security definer set search_path from current as $$
  insert into chunks (tenant_id, actor, turn, attempt, "offset", text)
  select c.tenant, c.actor, c.turn, c.attempt, c.start, c.text
  from jsonb_to_recordset(rows) as c(tenant uuid, actor text, turn text, attempt int, start int, text text, work text)
  where not exists (
    select from effects e
    where e.tenant_id = c.tenant and e.actor = c.actor and e.id = c.work and e.claim_life is distinct from by_life
  )
  on conflict do nothing
$$;

-- The owner's word on an event that stands in the inbox: its step is under way, or somebody else's. False: the shard is another's now.
create function is_owner(place smallint, under bigint) returns boolean language plpgsql as $$
begin
  perform pg_advisory_xact_lock_shared(shard_lock(), place);
  return exists (select from shards h where h.shard = place and h.epoch = under);
end
$$;

-- The actor does not take the event: its key is free again. False: the shard is another's now, who may well take it.
create function drop_envelope(tenant uuid, wanted text, place smallint, under bigint, key text)
returns boolean language plpgsql as $$
begin
  if not is_owner(place, under) then return false; end if;
  perform set_config('app.tenant', tenant::text, true);
  delete from inbox i where i.actor = wanted and i.dedup_key = key and i.applied_version is null;
  return true;
end
$$;

-- Sets an event aside for an operator and takes it out of the way, as it would come again for ever. False: as above.
create function set_aside(tenant uuid, wanted text, place smallint, under bigint, key text, letter jsonb, reason text)
returns boolean language plpgsql as $$
begin
  if not is_owner(place, under) then return false; end if;
  perform set_config('app.tenant', tenant::text, true);
  insert into dead_letters (tenant_id, actor, dedup_key, envelope, error) values (tenant, wanted, key, letter, reason);
  delete from timers t where t.actor = wanted and t.id = letter ->> 'timer';
  delete from inbox i where i.actor = wanted and i.dedup_key = key and i.applied_version is null;
  return true;
end
$$;

do $$
declare
  f regprocedure;
  own regprocedure[] := array[
    'drop_envelope(uuid, text, smallint, bigint, text)', 'set_aside(uuid, text, smallint, bigint, text, jsonb, text)'
  ];
  works regprocedure[] := array['keep_chunks(jsonb, text)', 'waiting_actors(smallint[], int, uuid[], text[])'];
begin
  foreach f in array own || works loop
    execute format('alter function %s set plan_cache_mode = force_generic_plan', f);
    execute format('alter function %s set enable_seqscan = off', f);
  end loop;
  foreach f in array own loop
    execute format('alter function %s set app.tenant = %L', f, '');
    execute format('alter function %s set enable_bitmapscan = off', f);
  end loop;
  -- As in 006_plans.sql.
  f := 'keep_chunks(jsonb, text)';
  execute format('alter function %s set enable_hashjoin = off', f);
  execute format('alter function %s set enable_mergejoin = off', f);
  call run_as('nexus_app', own);
  call run_as('nexus_writer', works);
end
$$;
