-- Renews a runner's lease. p_lock after a reconnect: the new session takes the lock again.
-- Answers whether it is still believed alive, its place by age among the live ones, whether
-- others are registered, and whether this session holds the lock. (Where the connection broke half
-- open, the old session holds it for some seconds more: until this one has it, the runner lives by
-- its lease alone, or the end of the old session would be taken for its death.)
create or replace function {schema}.heartbeat(
    p_app text, p_runner text, p_lock boolean,
    out alive boolean, out "position" integer, out others boolean, out locked boolean
) language plpgsql {definer} as $$
declare
    v_now    timestamptz := clock_timestamp();
    v_serial integer;
begin
    update runner r
    set lease_until = v_now + make_interval(secs => r.lease_seconds), heartbeat_at = v_now
    where r.runner_id = p_runner and r.app_id is not distinct from p_app and r.dead_at is null
    returning r.serial into v_serial;
    alive := found;
    locked := alive and p_lock and pg_try_advisory_lock(lock_space(), v_serial);
    if alive and p_lock then
        update runner r set lock_held_at = case when locked then v_now end, lock_gone_at = null
        where r.runner_id = p_runner;
    end if;
    select count(*) filter (where r.serial < v_serial and r.dead_at is null and r.lease_until >= v_now),
           bool_or(r.runner_id <> p_runner)
    into "position", others from runner r where r.app_id = p_app;
    others := coalesce(others, false);
end $$;
