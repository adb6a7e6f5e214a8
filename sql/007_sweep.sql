-- Pieces of replies are removed when their turn ends. A process that is killed between the two leaves them behind, and so does a
-- piece that arrives late. A turn always has work under way, so a conversation without any has no use for pieces.
create function sweep_chunks(most int)
returns bigint language sql security definer set search_path from current as $$
  with gone as (
    delete from chunks c
    using (
      select x.tenant_id, x.actor, x.turn, x.attempt, x."offset" from chunks x
      where not exists (select from effects e where e.tenant_id = x.tenant_id and e.actor = x.actor)
      limit most
    ) o
    where c.tenant_id = o.tenant_id and c.actor = o.actor and c.turn = o.turn and c.attempt = o.attempt and c."offset" = o."offset"
    returning 1
  )
  select count(*) from gone
$$;

do $$
begin
  revoke all on function sweep_chunks(int) from public;
  execute format('grant execute on function sweep_chunks(int) to %I', current_user);
  execute format('grant create on schema %I to nexus_writer', current_schema());
  execute format('alter function sweep_chunks(int) set search_path = %I, pg_temp', current_schema());
  execute format('alter function sweep_chunks(int) owner to nexus_writer');
  execute format('revoke create on schema %I from nexus_writer', current_schema());
  execute format('grant execute on function sweep_chunks(int) to %I', current_user);
end
$$;
