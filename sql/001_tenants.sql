-- Who we work for. Two roles reach tenant data, and neither can log in:
--   nexus_app     reads and writes the rows of the one tenant that its transaction names, and sees nothing without one
--   nexus_writer  owns the few functions by which the host commits steps and finds due work across tenants; it does nothing else
-- Roles belong to the server and not to the database: another database here may have made them a moment ago.
create extension if not exists vector;

do $$
declare
  name text;
begin
  foreach name in array array['nexus_app', 'nexus_writer'] loop
    begin
      execute format('create role %I nologin', name);
    exception when duplicate_object or unique_violation then
      null;
    end;
    if not pg_has_role(current_user, name, 'member') then
      execute format('grant %I to %I', name, current_user);
    end if;
  end loop;
end
$$;

create table tenants (
  id uuid primary key,
  name text not null unique,
  settings jsonb not null default '{}',
  created_at timestamptz not null default now()
);

create table api_keys (
  tenant_id uuid not null references tenants (id) on delete cascade,
  prefix text not null,
  hash text not null,
  name text not null,
  role text not null default 'member',
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  revoked_at timestamptz,
  primary key (prefix)
);

-- Puts a table behind the one tenant door. Forced: its owner is bound as well. An empty setting fits no tenant.
create procedure guard(tables text[]) language plpgsql as $$
declare
  name text;
begin
  foreach name in array tables loop
    execute format('alter table %I enable row level security', name);
    execute format('alter table %I force row level security', name);
    execute format(
      'create policy %I on %I to nexus_app using (tenant_id = nullif(current_setting(''app.tenant'', true), '''')::uuid)',
      name || '_tenant', name
    );
    execute format('grant select, insert, update, delete on %I to nexus_app', name);
  end loop;
end
$$;

-- Lets the host's own functions at a table; only functions owned by nexus_writer run under this policy.
create procedure entrust(tables text[]) language plpgsql as $$
declare
  name text;
begin
  foreach name in array tables loop
    execute format('create policy %I on %I to nexus_writer using (true)', name || '_writer', name);
    execute format('grant select, insert, update, delete on %I to nexus_writer', name);
  end loop;
end
$$;

call guard(array['api_keys']);

-- A tenant sees itself and no other. The host looks tenants up as the owner of the table, before it knows whose door to open.
alter table tenants enable row level security;
create policy tenants_tenant on tenants for select to nexus_app using (id = nullif(current_setting('app.tenant', true), '')::uuid);
grant select on tenants to nexus_app;

-- A key is looked up before its tenant is known; the caller compares the hash in constant time.
create policy api_keys_lookup on api_keys for select to nexus_writer using (true);
grant select on api_keys to nexus_writer;
create function find_api_key(wanted text)
returns table (tenant_id uuid, hash text, role text, name text) language sql stable security definer set search_path from current as $$
  select k.tenant_id, k.hash, k.role, k.name from api_keys k
  where k.prefix = wanted and k.revoked_at is null and (k.expires_at is null or k.expires_at > now())
$$;
