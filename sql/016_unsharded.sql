-- Who looks after every shard finds what waits in a shard, and nothing else. The rest is as in 015_looks.sql.
create or replace function look_after(held smallint[], by_life text, most int, tenants uuid[], actors text[])
returns table (what text, tenant_id uuid, actor text, id text)
language plpgsql stable security definer set search_path from current as $$
begin
  return query
  select distinct 'waiting', i.tenant_id, i.actor, null from (
    select x.tenant_id, x.actor from (
      -- Of a time without shards some may have none: whoever asks for what waits there would be told nothing, again and again.
      select w.tenant_id, w.actor, w.seq from inbox w where w.applied_version is null and w.shard is not null and held is null
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

-- Whatever was set for the function before is forgotten when it is replaced.
do $$
declare
  f regprocedure := 'look_after(smallint[], text, int, uuid[], text[])';
begin
  execute format('alter function %s set plan_cache_mode = force_generic_plan', f);
  execute format('alter function %s set enable_seqscan = off', f);
  execute format('alter function %s set enable_bitmapscan = off', f);
  execute format('alter function %s set jit = off', f);
  call run_as('nexus_writer', array[f]);
end
$$;
