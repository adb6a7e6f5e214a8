-- A node that leaves while it is given shards leaves those as well. Both see the store as it was: one gives to a node that still is there,
-- the other frees what it has. So whoever gives holds on to the row of each heir, and who leaves takes its own away first.

-- The rest is as in 014_fences.sql.
create or replace function claim_shards(wanted smallint[], seen bigint[], heirs text[])
returns table (shard smallint, epoch bigint, life text) language plpgsql as $$
declare
  had smallint[] := lock_shards(wanted);
begin
  perform from nodes n where n.life = any(heirs) order by n.life for key share;
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
  perform from nodes n where n.life = any(to_lives) order by n.life for key share;
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

-- As in 011_cluster.sql, the other way round.
create or replace function leave_node(my_life text)
returns void language plpgsql as $$
begin
  delete from nodes n where n.life = my_life;
  update shards h set life = null where h.life = my_life;
end
$$;
