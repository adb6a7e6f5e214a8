-- Work orders have as many digits as they need. `lpad` cuts what is longer than it is told, so that the ten-thousandth order got the
-- number of the thousandth, and no step that opens an order could be stored any more.
create function next_order_number() returns text language sql volatile as $$
  select 'WO-' || to_char(now(), 'YYYYMMDD') || '-' || lpad(n::text, greatest(4, length(n::text)), '0') from nextval('work_order_numbers') n
$$;

do $$
declare
  was text := pg_get_functiondef('commit_steps(jsonb, text)'::regprocedure);
  part text := '''WO-'' || to_char(now(), ''YYYYMMDD'') || ''-'' || lpad(nextval(''work_order_numbers'')::text, 4, ''0'')';
begin
  if position(part in was) = 0 then raise exception 'commit_steps does not number its orders as expected'; end if;
  execute replace(was, part, 'next_order_number()');
  revoke all on function next_order_number() from public;
  grant execute on function next_order_number() to nexus_writer;
end
$$;
