-- Ends what a runner holds. Answers only those that were not done: lost | already.
-- Moves: running, resumed -> success | failed, as outcome plus delete.
-- Locks: lanes by key, then rows by id. In one transaction with it: slot freed and the next parked
-- one rerouted, waiters woken, history.
create or replace function {schema}.finish(
    p_app text, p_runner text, p_ids uuid[], p_leases bigint[], p_statuses text[],
    p_values text[], p_reasons text[]
) returns table (invocation_id uuid, answer text) language plpgsql {definer} as $$
declare
    v_now   timestamptz := clock_timestamp();
    v_lanes bigint[];
    v_done  uuid[];
begin
    perform check_isolation();
    v_lanes := lock_lanes(p_ids);
    with mine as materialized (
        select s.invocation_id, e.status, e.value, e.reason
        from (select * from unnest(p_ids, p_leases, p_statuses, p_values, p_reasons)
                   e (id, lease, status, value, reason) order by id) e
        cross join lateral (
            select s.invocation_id from invocation_state s
            where s.invocation_id = e.id and s.lease = e.lease
              and s.runner_id is not distinct from p_runner and s.status in ('running', 'resumed')
            offset 0 for update) s
    ), gone as (
        delete from invocation_state s using mine m
        where s.invocation_id = any (array[m.invocation_id])
        returning s.invocation_id, s.app_id, s.runner_id, s.lease, s.rev, s.retries,
                  s.recoveries, s.status_at, m.status, m.value, m.reason
    ), kept as (
        insert into invocation_outcome (
            invocation_id, app_id, status, reason, value, runner_id, lease, rev, retries, recoveries,
            finished_at)
        select g.invocation_id, g.app_id, g.status::invocation_status, g.reason, g.value::json,
               g.runner_id, g.lease, g.rev + 1, g.retries, g.recoveries, greatest(v_now, g.status_at)
        from gone g
        returning invocation_outcome.invocation_id
    )
    select array(select k.invocation_id from kept k) into v_done;

    if v_lanes is not null then
        perform free_slots(p_app, v_lanes, v_done, p_runner);
    end if;
    perform wake_waiters(v_done);
    if cardinality(v_done) = cardinality(p_ids) then
        return;
    end if;
    return query
    select e.id, case when exists (
        select from invocation_outcome o where o.invocation_id = e.id and o.lease = e.lease
        and o.runner_id = p_runner offset 0) then 'already' else 'lost' end
    from unnest(p_ids, p_leases) e (id, lease) where e.id <> all (v_done);
end $$;
