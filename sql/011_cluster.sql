-- Who runs what. An actor lives in one of 1,024 shards. A shard has one owner at a time and a number, its epoch, that only ever
-- grows: whoever takes a shard over counts it up, and from that moment nothing that the owner before sends is taken.
--
-- A node is a process and a life is one run of it: a node that starts again owes nothing to the work of its life before. It lives
-- while its row is here and its last beat is younger than the lease; a neighbour that finds it dead deletes the row.
create table cluster (
  one boolean primary key default true check (one),
  id uuid not null default gen_random_uuid(), -- names what is ours in a Redis that others use as well
  secret text not null default replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), -- signs letters between nodes
  shards int not null
);

delete from nodes; -- of a program that knew no lives; what they did counts as left behind
alter table nodes
  add column life text not null unique,
  add column beat_at timestamptz not null default now(),
  add column draining boolean not null default false,
  add column machines jsonb not null, -- which version of which machine it knows
  add column version text not null,
  add column application text, -- the name of its connections, to see whether any is left
  add column url text;

create table shards (
  shard smallint primary key,
  name text unique, -- of a job that must run once
  epoch bigint not null default 0,
  node text,
  life text, -- of the owner; that of nobody who lives: it is free
  machines jsonb not null default '{}', -- the newest version of each machine that was ever stored here
  moved_at timestamptz not null default now()
);

insert into cluster (shards) values (1024);
insert into shards (shard) select generate_series(0, 1023);

grant select on nodes, shards to nexus_writer, nexus_app;
grant update on shards to nexus_writer;

-- The lock of a shard: shared by all who commit to it, alone for whoever takes it over. So a takeover waits for the commits that are
-- under way, and a commit that comes behind it sees the new epoch.
create function shard_lock() returns int language sql immutable as $$ select 72657874 $$;

-- Nodes and shards belong to no tenant; these are for the host alone.

-- The node lives from now on. 'taken': somebody else lives under its name.
create function enter_node(me text, my_life text, key bigint, knows jsonb, program text, address text, connections text, has_lock boolean, lease interval)
returns text language plpgsql as $$
begin
  if not has_lock and exists (select from nodes n where n.node = me and n.life <> my_life and n.beat_at > clock_timestamp() - lease)
  then return 'taken'; end if;
  delete from nodes n where n.node = me;
  insert into nodes (node, life, lock_key, machines, version, url, application, beat_at)
  values (me, my_life, key, knows, program, address, connections, clock_timestamp());
  return 'entered';
end
$$;

-- Lives on for another lease, unless it has run out already: whoever was late has to enter anew, whether or not anybody noticed. The
-- map comes along where its fingerprint is not the one that was seen.
create function beat_node(my_life text, lease interval, seen text)
returns table (
  alive boolean, now float8, nodes json, fingerprint text, epochs bigint[], lives text[], machines json, jobs json
) language plpgsql as $$
declare
  beaten boolean;
  current text;
begin
  update nodes n set beat_at = clock_timestamp() where n.life = my_life and n.beat_at > clock_timestamp() - lease;
  beaten := found;
  -- Taken before the map: what moves in between is seen now, and once more with the next beat.
  select bit_xor(hashtextextended(h.epoch || coalesce(h.life, '') || h.machines::text, h.shard)) into current from shards h;
  return query
  select beaten, extract(epoch from clock_timestamp())::float8 * 1000,
    (
      select json_agg(json_build_object(
        'node', k.node, 'life', k.life, 'draining', k.draining, 'machines', k.machines, 'version', k.version, 'url', k.url,
        'key', k.lock_key, 'age', extract(epoch from clock_timestamp() - k.beat_at)::float8 * 1000
      ) order by k.node) from nodes k
    ),
    current, map.*
  from (select) beat left join lateral (
    select array_agg(h.epoch order by h.shard), array_agg(coalesce(h.life, '') order by h.shard),
      json_object_agg(h.shard, h.machines) filter (where h.machines <> '{}'),
      json_object_agg(h.name, h.shard) filter (where h.name is not null)
    from shards h
  ) map on current is distinct from seen;
end
$$;

-- A life is over: its lock is free and no connection of its process is left, or its lease has run out. False: it is not. A server that
-- has just been started has lost the locks of all; for a while only leases count.
create function bury_node(dead text, by_lock boolean, lease interval)
returns boolean language plpgsql as $$
begin
  delete from nodes n
  where n.life = dead
    and case
      when by_lock then clock_timestamp() - pg_postmaster_start_time() > interval '3 seconds'
        and not exists (select from pg_stat_activity c where c.application_name = n.application and c.datname = current_database())
        and pg_try_advisory_xact_lock(n.lock_key)
      else n.beat_at < clock_timestamp() - lease
    end;
  return found;
end
$$;

-- Gives shards whose owner lives no more to heirs who live, as long as they stand where the caller has seen them.
create function claim_shards(wanted smallint[], seen bigint[], heirs text[])
returns table (shard smallint, epoch bigint, life text) language plpgsql as $$
begin
  perform pg_advisory_xact_lock(shard_lock(), w) from unnest(wanted) w;
  return query
  update shards h set epoch = h.epoch + 1, node = n.node, life = n.life, moved_at = now()
  from unnest(wanted, seen, heirs) as w(shard, epoch, life) join nodes n on n.life = w.life
  where h.shard = w.shard and h.epoch = w.epoch
    and (h.life = w.life or not exists (select from nodes n where n.life = h.life))
  returning h.shard, h.epoch, h.life;
end
$$;

-- The owner gives shards to others that live; one who does not gets nothing, and the shard is free.
create function hand_over_shards(given smallint[], to_lives text[], my_life text)
returns table (shard smallint, epoch bigint, life text) language plpgsql as $$
begin
  perform pg_advisory_xact_lock(shard_lock(), g) from unnest(given) g;
  return query
  update shards h set epoch = h.epoch + 1, node = n.node, life = n.life, moved_at = now()
  from unnest(given, to_lives) as g(shard, life) left join nodes n on n.life = g.life
  where h.shard = g.shard and h.life = my_life
  returning h.shard, h.epoch, coalesce(h.life, '');
end
$$;

-- The shard of a job that must run once: those of actors come first, without a gap.
create function name_job(wanted text)
returns smallint language plpgsql as $$
declare
  place smallint;
begin
  lock table shards in share row exclusive mode;
  insert into shards (shard, name) select max(h.shard) + 1, wanted from shards h on conflict (name) do nothing;
  select h.shard into place from shards h where h.name = wanted;
  return place;
end
$$;

-- Leaves of its own will: what it still has is free.
create function leave_node(my_life text)
returns void language plpgsql as $$
begin
  update shards h set life = null where h.life = my_life;
  delete from nodes n where n.life = my_life;
end
$$;
