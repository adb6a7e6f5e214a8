-- Where conversations stand, for all who ask in the same moment: one row for each that is known, numbered as they were asked for.
-- Numbers only; what is told at those places is read through the tenant door.
create function conversation_positions(tenants uuid[], wanted text[])
returns table (n bigint, seq bigint) language sql stable security definer set search_path from current as $$
  select w.n, c.seq
  from unnest(tenants, wanted) with ordinality as w (tenant, id, n)
  join conversations c on c.tenant_id = w.tenant and c.id = w.id
$$;

do $$
declare
  f constant regprocedure := 'conversation_positions(uuid[], text[])';
begin
  execute format('revoke all on function %s from public', f);
  execute format('grant create on schema %I to nexus_writer', current_schema());
  execute format('alter function %s set search_path = %I, pg_temp', f, current_schema());
  -- Everything is found by its key, whatever the statistics say (006_plans.sql).
  execute format('alter function %s set plan_cache_mode = force_generic_plan', f);
  execute format('alter function %s set enable_seqscan = off', f);
  execute format('alter function %s set enable_hashjoin = off', f);
  execute format('alter function %s set enable_mergejoin = off', f);
  execute format('alter function %s owner to nexus_writer', f);
  execute format('revoke create on schema %I from nexus_writer', current_schema());
  execute format('grant execute on function %s to %I', f, current_user);
end
$$;
