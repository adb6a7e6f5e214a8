/**
 * A witness inside the store: triggers of our own that look at every step and at every shard that changes hands. What they have seen is
 * read in the end; the system knows nothing of them.
 */
import type postgres from 'postgres'

/** To be called once the schema is there. */
export async function installAudit(sql: postgres.Sql): Promise<void> {
  await sql.unsafe(`
    create schema if not exists chaos;
    create table chaos.sins (at timestamptz default clock_timestamp(), what text);

    -- A step of whoever is not the owner, at the moment at which it is committed.
    create function chaos.look_at_step() returns trigger language plpgsql security definer as $$
    declare owner text; own bigint; theirs bigint;
    begin
      select s.node, s.epoch, a.epoch into owner, own, theirs
      from public.actors a join public.shards s on s.shard = a.shard where a.tenant_id = new.tenant_id and a.id = new.actor;
      if owner is distinct from new.node then
        insert into chaos.sins (what) values (format('%s was moved to version %s by %s and belongs to %s', new.actor, new.version, new.node, owner));
      end if;
      if theirs is distinct from own then
        insert into chaos.sins (what) values (format('%s was moved to version %s under epoch %s of %s', new.actor, new.version, theirs, own));
      end if;
      return null;
    end $$;
    create trigger chaos_step after insert on public.journal for each row execute function chaos.look_at_step();

    -- Whoever takes a shard over has to count it up: nothing else shuts the owner before out.
    create function chaos.look_at_shard() returns trigger language plpgsql security definer as $$
    begin
      if new.epoch < old.epoch or (new.life is distinct from old.life and new.life is not null and new.epoch = old.epoch) then
        insert into chaos.sins (what) values (format('shard %s went from %s at %s to %s at %s', new.shard, old.node, old.epoch, new.node, new.epoch));
      end if;
      return null;
    end $$;
    create trigger chaos_shard after update on public.shards for each row execute function chaos.look_at_shard();
  `)
}

/** What should never have happened. */
export async function readAudit(sql: postgres.Sql): Promise<string[]> {
  return (await sql<{ what: string }[]>`select what from chaos.sins order by at limit 100`).map(({ what }) => what)
}
