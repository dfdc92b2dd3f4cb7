-- Takes from a runner, at its own word, what it holds: release and crash. Internal. Answers those lost.
-- p_max_recoveries null: it stops them, and nothing is spent. Else a process of it has died of them:
-- begun work counts a recovery, and is quarantined beyond so many.
-- Locks: lanes by key, then rows by id.
create or replace function {schema}.give_back(
    p_app text, p_runner text, p_ids uuid[], p_leases bigint[], p_max_recoveries integer
) returns uuid[] language plpgsql as $$
declare
    v_now   timestamptz := clock_timestamp();
    v_lanes bigint[];
    v_done  uuid[];
begin
    perform check_isolation();
    v_lanes := lock_lanes(p_ids);
    with mine as materialized (
        select s.invocation_id
        from (select * from unnest(p_ids, p_leases) h (id, lease) order by id) h cross join lateral (
            select s.invocation_id from invocation_state s
            where s.invocation_id = h.id and s.lease = h.lease
              and s.runner_id is not distinct from p_runner
            offset 0 for no key update) s
    ), given as (
        update invocation_state s
        set status = case when s.status = 'pending' then 'rerouted'
                          when p_max_recoveries is null then 'killed'
                          else 'running_recovery' end::invocation_status,
            previous_status = s.status, status_at = greatest(v_now, s.status_at), reason = null,
            runner_id = null, rev = s.rev + 1, proof = s.lease + s.rev + 1, changed_by = p_runner,
            recoveries = s.recoveries + (p_max_recoveries is not null and s.status <> 'pending')::int
        from mine m where s.invocation_id = any (array[m.invocation_id])
        returning s.invocation_id
    )
    select array(select g.invocation_id from given g) into v_done;
    -- One statement cannot change a row twice.
    if p_max_recoveries is not null then
        perform quarantine(v_done, p_max_recoveries);
    end if;
    perform reroute_stopped(v_done, p_runner);
    if v_lanes is not null then
        perform free_slots(p_app, v_lanes, v_done, p_runner);
    end if;
    if v_done <> '{}' then
        delete from wait_edge e where e.waiter_id = any (v_done);
        perform notify(p_app, 'work');
    end if;
    return array(select h.id from unnest(p_ids) h (id) where h.id <> all (v_done));
end $$;
