-- The beat of a node may be late where a lease elsewhere has proven meanwhile that it lives: nobody has taken its place as long as its row
-- is here. And the fingerprint of the map costs half of what it did.
drop function beat_node(text, interval, text);

-- Lives on for another lease, unless the last beat is older than it may be: whoever was late has to enter anew, whether or not anybody
-- noticed. The map comes along where its fingerprint is not the one that was seen.
create function beat_node(my_life text, may_be_late interval, seen text)
returns table (
  alive boolean, now float8, nodes json, fingerprint text, epochs bigint[], lives text[], machines json, jobs json
) language plpgsql as $$
declare
  beaten boolean;
  current text;
begin
  update nodes n set beat_at = clock_timestamp() where n.life = my_life and n.beat_at > clock_timestamp() - may_be_late;
  beaten := found;
  -- Every change of a row gives it another xmin. Taken before the map: what moves in between is seen now, and once more with the next beat.
  select bit_xor(hashtextextended(h.xmin::text, h.shard)) into current from shards h;
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
    select array_agg(h.epoch), array_agg(coalesce(h.life, '')),
      json_object_agg(h.shard, h.machines) filter (where h.machines <> '{}'),
      json_object_agg(h.name, h.shard) filter (where h.name is not null)
    from (select * from shards order by shard) h
  ) map on current is distinct from seen;
end
$$;
