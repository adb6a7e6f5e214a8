-- What a turn asks of the store, in one round trip each. Through the tenant door a read takes three (begin, the door with the
-- query, commit); these are the door and the query in one. Each belongs to nexus_app, which sees the rows of the tenant that
-- is set and nothing else, sets the tenant that it is given, and unsets it when it returns. None names a tenant in a `where`:
-- row-level security does.
create function load_actor(tenant uuid, wanted text)
returns table (kind text, version bigint, epoch bigint, machine_version int, tree jsonb) language plpgsql as $$
begin
  perform set_config('app.tenant', tenant::text, true);
  return query
  select a.kind, a.version, a.epoch, a.machine_version, a.tree from actors a where a.id = wanted;
end
$$;

-- The conversation, or a row without an id that says whether another tenant has begun one of this id.
create function find_conversation(tenant uuid, wanted text)
returns table (
  id text, owner text, channel text, title text, state text, attention text, seq bigint, cleared bigint, last_at float8, taken boolean
) language plpgsql as $$
begin
  perform set_config('app.tenant', tenant::text, true);
  return query
  select c.id, c.owner, c.channel, c.title, c.state, c.attention, c.seq, c.cleared_seq, extract(epoch from c.last_at)::float8 * 1000, false
  from conversations c where c.id = wanted;
  if not found then
    return query
    select null, null, null, null, null, null, null::bigint, null::bigint, null::float8, is_taken_elsewhere(tenant, wanted);
  end if;
end
$$;

-- What was said before the given messages and after the history was last cleared, newest first.
create function read_history(tenant uuid, wanted text, before text[], most int)
returns table (id text, seq bigint, role text, text text, parts jsonb, turn text, agent text, citations jsonb, at bigint)
language plpgsql as $$
begin
  perform set_config('app.tenant', tenant::text, true);
  return query
  select m.id, m.seq, m.role, m.text, m.parts, m.turn, m.agent, m.citations, m.at from messages m
  where m.conversation = wanted
    and m.seq < (select coalesce(min(b.seq), 9223372036854775807) from messages b where b.conversation = wanted and b.id = any(before))
    and m.seq > coalesce((select c.cleared_seq from conversations c where c.id = wanted), 0)
  order by m.seq desc
  limit most;
end
$$;

-- Everything that a join needs, from one snapshot: the conversation, its newest messages and the events after a cursor.
create function read_page(tenant uuid, wanted text, later_than bigint, most int, recent int)
returns table (
  id text, owner text, channel text, title text, state text, attention text, seq bigint, cleared bigint, last_at float8,
  messages json, events json
) language plpgsql as $$
begin
  perform set_config('app.tenant', tenant::text, true);
  return query
  select c.id, c.owner, c.channel, c.title, c.state, c.attention, c.seq, c.cleared_seq, extract(epoch from c.last_at)::float8 * 1000,
    (
      select json_agg(m order by m.seq) from (
        select x.id, x.seq, x.role, x.text, x.parts, x.turn, x.agent, x.citations, x.at from messages x
        where x.conversation = wanted order by x.seq desc limit recent
      ) m
    ),
    (
      select json_agg(e order by e.seq) from (
        select y.seq, y.name, y.payload from events y
        where y.conversation = wanted and y.seq > later_than order by y.seq limit most + 1
      ) e
    )
  from conversations c where c.id = wanted;
end
$$;

-- The events of the turn that answers a message, from its start to its end. A turn takes a message up after it was accepted, so
-- the search begins there and not at the conversation's beginning, and it ends with the turn.
create function read_turn_of(tenant uuid, wanted text, message text)
returns table (seq bigint, name text, payload jsonb) language plpgsql as $$
declare
  accepted bigint;
  begun record;
  ended bigint;
begin
  perform set_config('app.tenant', tenant::text, true);
  select m.seq into accepted from messages m where m.conversation = wanted and m.id = message;
  select e.seq, e.payload ->> 'turn' as turn into begun from events e
  where e.conversation = wanted and e.seq > accepted
    and e.name in ('turn.started', 'turn.widened') and e.payload -> 'messages' ? message
  order by e.seq limit 1;
  select e.seq into ended from events e
  where e.conversation = wanted and e.seq > begun.seq
    and e.name in ('turn.finished', 'turn.failed', 'turn.stopped') and e.payload ->> 'turn' = begun.turn
  order by e.seq limit 1;
  -- By itself: as a part of the query it would be no bound that an index knows.
  ended := coalesce(ended, 9223372036854775807);
  return query
  select e.seq, e.name, e.payload from events e
  where e.conversation = wanted and e.seq between begun.seq and ended and e.payload ->> 'turn' = begun.turn
  order by e.seq;
end
$$;

-- The pieces of a reply that stands as a message now.
create function forget_chunks(tenant uuid, wanted text, ended text)
returns void language plpgsql as $$
begin
  perform set_config('app.tenant', tenant::text, true);
  delete from chunks c where c.actor = wanted and c.turn = ended;
end
$$;

do $$
declare
  f regprocedure;
begin
  grant execute on function is_taken_elsewhere(uuid, text) to nexus_app;
  execute format('grant create on schema %I to nexus_app', current_schema());
  foreach f in array array[
    'load_actor(uuid, text)', 'find_conversation(uuid, text)', 'read_history(uuid, text, text[], int)',
    'read_page(uuid, text, bigint, int, int)', 'read_turn_of(uuid, text, text)', 'forget_chunks(uuid, text, text)'
  ]::regprocedure[] loop
    execute format('revoke all on function %s from public', f);
    execute format('alter function %s security definer', f);
    execute format('alter function %s set search_path = %I, pg_temp', f, current_schema());
    execute format('alter function %s set app.tenant = %L', f, '');
    -- Everything is found by its key, whatever the statistics say (006_plans.sql).
    execute format('alter function %s set plan_cache_mode = force_generic_plan', f);
    execute format('alter function %s set enable_seqscan = off', f);
    execute format('alter function %s set enable_bitmapscan = off', f); -- which reads all that there is to return the first
    execute format('alter function %s owner to nexus_app', f);
    execute format('grant execute on function %s to %I', f, current_user);
  end loop;
  execute format('revoke create on schema %I from nexus_app', current_schema());
end
$$;
