-- Ends invocations that nobody owns: outcome, delete, waiters; lanes without work go. Internal; rows
-- locked by the caller.
-- Moves: available, parked, killed, recovery -> failed | concurrency_controlled_final.
create or replace function {schema}.end_unowned(
    p_ids uuid[], p_status text, p_reason text, p_changed_by text
) returns void language plpgsql as $$
declare
    v_lanes bigint[];
begin
    with gone as (
        delete from invocation_state s where s.invocation_id = any (p_ids) returning s.*
    ), kept as (
        insert into invocation_outcome (
            invocation_id, app_id, status, reason, value, runner_id, lease, rev, changed_by, retries,
            recoveries, finished_at)
        select g.invocation_id, g.app_id, p_status::invocation_status, p_reason, null, null, g.lease,
               g.rev + 1, p_changed_by, g.retries, g.recoveries,
               greatest(clock_timestamp(), g.status_at)
        from gone g
    )
    select array_agg(distinct g.lane) into v_lanes from gone g where g.lane is not null;
    perform wake_waiters(p_ids);
    if v_lanes is not null then
        perform forget_lanes(v_lanes);
    end if;
end $$;
