-- Ends an attempt after which another one is to follow. Answers only those not done: lost | already.
-- Moves: running, resumed -> retry; with cancellation asked for: -> failed after it.
-- Locks: lanes by key, then rows by id. retries grow with the reasons error and timeout alone.
create or replace function {schema}.retry(
    p_app text, p_runner text, p_ids uuid[], p_leases bigint[], p_reasons text[],
    p_delays double precision[], p_errors text[]
) returns table (invocation_id uuid, answer text) language plpgsql {definer} as $$
declare
    v_now   timestamptz := clock_timestamp();
    v_lanes bigint[];
    v_done  uuid[];
    v_off   uuid[];
    v_next  double precision;
    v_waits boolean;
    v_ready boolean;
begin
    perform check_isolation();
    v_lanes := lock_lanes(p_ids);
    with mine as materialized (
        select s.invocation_id, e.reason, e.delay, e.error
        from (select * from unnest(p_ids, p_leases, p_reasons, p_delays, p_errors)
                   e (id, lease, reason, delay, error) order by id) e
        cross join lateral (
            select s.invocation_id from invocation_state s
            where s.invocation_id = e.id and s.lease = e.lease
              and s.runner_id is not distinct from p_runner and s.status in ('running', 'resumed')
            offset 0 for no key update) s
    ), again as (
        update invocation_state s
        set status = 'retry', previous_status = s.status,
            status_at = greatest(v_now, s.status_at), reason = m.reason, runner_id = null,
            rev = s.rev + 1, proof = s.lease + s.rev + 1, changed_by = p_runner,
            retries = s.retries + (m.reason in ('error', 'timeout'))::int,
            due_at = case when m.delay > 0 then v_now + make_interval(secs => m.delay) end
        from mine m where s.invocation_id = any (array[m.invocation_id])
        returning s.invocation_id, s.rev, m.error, m.delay, s.reason, s.cancel_requested_at
    ), kept as (
        insert into invocation_error (invocation_id, rev, error, at)
        select a.invocation_id, a.rev, a.error::json, v_now from again a where a.error is not null
    )
    select array_agg(a.invocation_id),
           array_agg(a.invocation_id) filter (where a.cancel_requested_at is not null),
           min(a.delay) filter (where a.delay > 0), bool_or(a.reason in ('event', 'paused')),
           bool_or(coalesce(a.delay, 0) <= 0)
    into v_done, v_off, v_next, v_waits, v_ready from again a;

    if v_done is not null then
        delete from wait_edge e where e.waiter_id = any (v_done);
    end if;
    if v_off is not null then
        perform end_unowned(v_off, 'failed', 'cancelled', p_runner);
    end if;
    if v_lanes is not null then
        perform free_slots(p_app, v_lanes, v_done, p_runner);
    end if;
    if v_ready then
        perform rouse(p_app, null, cardinality(v_done));
    end if;
    if v_waits then  -- it may have been woken before it came to rest: promote knows
        v_next := 0;
    end if;
    if v_next is not null then
        perform notify(p_app, 'due', to_json(v_next));
    end if;
    if cardinality(v_done) = cardinality(p_ids) then
        return;
    end if;
    return query
    select e.id, case when exists (
        select from invocation_history h where h.invocation_id = e.id and h.status = 'retry'
        and h.lease = e.lease offset 0) then 'already' else 'lost' end
    from unnest(p_ids, p_leases) e (id, lease) where e.id <> all (coalesce(v_done, '{}'));
end $$;
