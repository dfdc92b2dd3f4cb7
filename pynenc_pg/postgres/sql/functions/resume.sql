-- Lets invocations go on after a wait. Answers only those that were not done: lost | already.
-- Moves: paused -> resumed. Locks: rows by id. p_forget: what is not waited for any longer.
create or replace function {schema}.resume(
    p_app text, p_runner text, p_ids uuid[], p_leases bigint[], p_forget uuid[]
) returns table (invocation_id uuid, answer text) language plpgsql {definer} as $$
declare
    v_now  timestamptz := clock_timestamp();
    v_done uuid[];
begin
    perform check_isolation();
    with mine as materialized (
        select s.invocation_id
        from (select * from unnest(p_ids, p_leases) h (id, lease) order by id) h cross join lateral (
            select s.invocation_id from invocation_state s
            where s.invocation_id = h.id and s.lease = h.lease
              and s.runner_id is not distinct from p_runner and s.status = 'paused'
            offset 0 for no key update) s
    ), gone_on as (
        update invocation_state s
        set status = 'resumed', previous_status = s.status,
            status_at = greatest(v_now, s.status_at), reason = null, rev = s.rev + 1,
            proof = s.lease + s.rev + 1, changed_by = p_runner
        from mine m where s.invocation_id = any (array[m.invocation_id])
        returning s.invocation_id
    )
    select array(select g.invocation_id from gone_on g) into v_done;
    if p_forget <> '{}' then
        delete from wait_edge w where w.edge_id = any (array(
            select e.edge_id from unnest(p_ids, p_leases) h (id, lease)
            cross join lateral (select from invocation_state s
                                where s.invocation_id = h.id and s.lease = h.lease offset 0) s
            cross join lateral (select e.edge_id, e.awaited_id from wait_edge e
                                where e.waiter_id = h.id offset 0) e
            where e.awaited_id = any (p_forget)));
    end if;
    if cardinality(v_done) = cardinality(p_ids) then
        return;
    end if;
    return query
    select h.id, case when exists (
        select from invocation_state s where s.invocation_id = h.id
        and s.runner_id is not distinct from p_runner and s.lease = h.lease
        and s.status in ('running', 'resumed') offset 0) then 'already' else 'lost' end
    from unnest(p_ids, p_leases) h (id, lease) where h.id <> all (v_done);
end $$;
