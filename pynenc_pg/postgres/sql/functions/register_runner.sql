-- Announces a runner; with p_lock its session takes the runner's advisory lock, which vanishes with
-- the process. Raises PN011 while a runner of that id is believed alive.
create or replace function {schema}.register_runner(
    p_app text, p_runner text, p_runner_cls text, p_hostname text, p_pid integer,
    p_queues text[], p_concurrency integer, p_lease double precision, p_lock boolean
) returns void language plpgsql {definer} as $$
declare
    v_now    timestamptz := clock_timestamp();
    v_serial integer;
begin
    perform check_isolation();
    insert into runner (runner_id, app_id, runner_cls, hostname, pid, queues, concurrency,
                        lease_seconds, lease_until, heartbeat_at, registered_at, idle_at)
    values (p_runner, p_app, p_runner_cls, p_hostname, p_pid, p_queues, p_concurrency,
            p_lease, v_now + make_interval(secs => p_lease), v_now, v_now, v_now)
    on conflict (runner_id) do nothing returning serial into v_serial;
    if v_serial is null then
        raise exception 'runner % is registered already', p_runner
            using errcode = 'PN011', hint = 'Give each runner an id of its own.';
    end if;
    if p_lock and pg_try_advisory_lock(lock_space(), v_serial) then
        update runner r set lock_held_at = v_now where r.runner_id = p_runner;
    end if;
    perform notify(p_app, 'runner');
end $$;
