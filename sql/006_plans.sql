-- The commit of steps keeps its pace whatever the tables hold, and waits for nobody else's row for long.
--
-- Its plan is made once a session, when tables may be small or their statistics old: then a scan of a whole table looks
-- cheap, and it stays in the plan while the table grows. Every row that a step touches is found by its key, so nothing
-- but keys is offered. A step whose row another session holds gives up (55P03), and with it its whole statement; the
-- caller sends the steps again one by one, so that one of them waits and the others do not.
alter function commit_steps(jsonb, text) set plan_cache_mode = force_generic_plan;
alter function commit_steps(jsonb, text) set enable_seqscan = off;
alter function commit_steps(jsonb, text) set enable_hashjoin = off;
alter function commit_steps(jsonb, text) set enable_mergejoin = off;
alter function commit_steps(jsonb, text) set lock_timeout = '200ms'; -- far above what a stall of disk or CPU costs
