-- Begins what was claimed. Answers only those that were not done: lost | already.
-- Moves: pending -> running; with cancellation asked for: pending -> rerouted -> failed.
-- Locks: rows by id (and, for the cancelled, their lanes first).
create or replace function {schema}.start(p_app text, p_runner text, p_ids uuid[], p_leases bigint[])
returns table (invocation_id uuid, answer text) language plpgsql {definer} as $$
declare
    v_now    timestamptz := clock_timestamp();
    v_done   uuid[];
    v_off    uuid[];
    v_leases bigint[];
begin
    perform check_isolation();
    select array_agg(s.invocation_id), array_agg(s.lease) into v_off, v_leases
    from unnest(p_ids, p_leases) h (id, lease) cross join lateral (
        select * from invocation_state s where s.invocation_id = h.id offset 0) s
    where s.lease = h.lease and s.status = 'pending' and s.cancel_requested_at is not null;
    if v_off is not null then
        perform release(p_app, p_runner, v_off, v_leases);
    end if;

    with mine as materialized (
        select s.invocation_id
        from (select * from unnest(p_ids, p_leases) h (id, lease) order by id) h cross join lateral (
            select s.invocation_id from invocation_state s
            where s.invocation_id = h.id and s.lease = h.lease
              and s.runner_id is not distinct from p_runner and s.status = 'pending'
            offset 0 for no key update) s
    ), begun as (
        update invocation_state s
        set status = 'running', previous_status = s.status,
            status_at = greatest(v_now, s.status_at), reason = null, rev = s.rev + 1,
            proof = s.lease + s.rev + 1, changed_by = p_runner, registration_key = null,
            expires_at = null
        from mine m where s.invocation_id = any (array[m.invocation_id])
        returning s.invocation_id
    )
    select array(select b.invocation_id from begun b) into v_done;
    if cardinality(v_done) = cardinality(p_ids) then
        return;
    end if;
    return query
    select h.id, case when exists (
        select from invocation_state s where s.invocation_id = h.id
        and s.runner_id is not distinct from p_runner
        and s.lease = h.lease offset 0) then 'already' else 'lost' end
    from unnest(p_ids, p_leases) h (id, lease) where h.id <> all (v_done);
end $$;
