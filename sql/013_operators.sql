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

call run_as('nexus_writer', array[
  'list_dead_letters(int)', 'retry_dead_letters(bigint[], smallint[])', 'drop_dead_letters(bigint[])', 'count_by_shard()',
  'shard_of_actor(text)', 'actors_of_version(text, int, int)', 'put_back(text, int, jsonb)', 'forget_version(text, int)'
]::regprocedure[]);
